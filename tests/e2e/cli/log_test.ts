import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ask } from "../../support/local_cluster.ts";
import { runRegent } from "../../support/regent_process.ts";
import { type NodePlace, nodePlace, withServingNode } from "../../support/serving_node.ts";
import { withTemporaryDirectory } from "../../support/temporary_directory.ts";

const SEGMENT = "00000001-00000000000000000001.log";

Deno.test("regent log, and a node on a damaged log", async (t) => {
  await withTemporaryDirectory(async (dir) => {
    const place = nodePlace(`${dir}/n1`);
    await withServingNode(place, ["--role", "leader"], async () => {
      await fill(place);
      await t.step("the log is readable while the node runs", () => isReadable(place));
    });
    await t.step("and after it", () => isReadable(place));
    await t.step("long values are cut, but not with --full", () => longValues(place));
    await t.step("a directory without a log", () => noLog(dir));
    await t.step("a changed byte is told by both, and stops the start", () => changedByte(place));
    await t.step("an acknowledged record cut off stops the start", () => cutRecord(place));
    await t.step("an unfinished record at the end is cut off", () => unfinishedRecord(place));
  });
});

async function fill(place: NodePlace): Promise<void> {
  const writes = [
    ["SET", "greeting", "hello"],
    ["SET", 'bytes "\x00\xff', "two\r\nlines"],
    ["MSET", "a", "1", "b", "2"],
    ["SET", "long", "x".repeat(1_000)],
    ["SET", "marker", "the last one"],
  ];
  for (const write of writes) await ask(place, write);
}

async function isReadable({ dir }: NodePlace): Promise<void> {
  const { code, stdout, stderr } = await runRegent(["log", "--dir", dir]);
  assertEquals([code, stderr], [0, ""]);
  const [first = "", ...lines] = stdout.trimEnd().split("\n");
  assertMatch(first, new RegExp(`^segment ${SEGMENT} of node n1 in cluster [0-9a-f]{32}, `));
  assertEquals(lines[0], "term 1, vote n1");
  const time = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{12}Z";
  const entries = lines.filter((line) => line.startsWith("entry "));
  assertEquals(entries[0], "entry 1 term 1 no-op");
  assertMatch(
    entries[1] ?? "",
    new RegExp(`^entry 2 term 1 ${time} state machine version [0-9]+$`),
  );
  assertMatch(
    entries[2] ?? "",
    new RegExp(`^entry 3 term 1 ${time} "SET" "greeting" "hello"$`, "i"),
  );
  assertMatch(entries[3] ?? "", /"bytes \\"\\x00\\xff" "two\\r\\nlines"$/);
  assertMatch(entries[4] ?? "", /"MSET" "a" "1" "b" "2"$/i);
  assertEquals(entries.length, 7);
}

async function longValues({ dir }: NodePlace): Promise<void> {
  const [short, full] = await Promise.all([
    runRegent(["log", "--dir", dir]),
    runRegent(["log", "--dir", dir, "--full"]),
  ]);
  assertMatch(short.stdout, /"long" "x{10,100}"\.\.\. \(1000 bytes\)$/m);
  assertMatch(full.stdout, /"long" "x{1000}"$/m);
}

async function noLog(dir: string): Promise<void> {
  for (const place of [dir, `${dir}/nowhere`]) {
    const { code, stdout, stderr } = await runRegent(["log", "--dir", place]);
    assertEquals([code, stdout], [1, ""]);
    assertMatch(stderr, new RegExp(`^regent: Cannot read ${place}: [^\n]+\n$`));
  }
}

/** Changes the log, lets a test read it, and restores it. */
async function damaged(
  { dir }: NodePlace,
  damage: (bytes: Uint8Array) => Uint8Array,
  test: (segment: string) => Promise<void>,
): Promise<void> {
  const segment = `${dir}/log/${SEGMENT}`;
  const whole = Deno.readFileSync(segment);
  Deno.writeFileSync(segment, damage(whole.slice()));
  await test(segment);
  Deno.writeFileSync(segment, whole);
}

async function changedByte(place: NodePlace): Promise<void> {
  const flip = (bytes: Uint8Array) => {
    const at = indexOf(bytes, "hello");
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    return bytes;
  };
  await damaged(place, flip, async (segment) => {
    const log = await runRegent(["log", "--dir", place.dir]);
    assertEquals(log.code, 1);
    assertMatch(log.stdout, new RegExp(`^error: ${SEGMENT} at byte [0-9]+: a damaged`, "m"));
    await isRefused(place, segment);
  });
}

async function cutRecord(place: NodePlace): Promise<void> {
  const cut = (bytes: Uint8Array) => bytes.slice(0, indexOf(bytes, "the last one"));
  await damaged(place, cut, (segment) => isRefused(place, segment));
}

async function isRefused(place: NodePlace, segment: string): Promise<void> {
  const { code, stderr } = await runRegent(place.args);
  assertEquals(code, 1, stderr);
  assertMatch(stderr, new RegExp(`^regent: Cannot read ${segment}: [^\n]*at byte [0-9]+[^\n]+\n$`));
}

/** What a kill in the middle of a write may leave: the beginning of another record. */
async function unfinishedRecord(place: NodePlace): Promise<void> {
  const begin = (bytes: Uint8Array) => {
    const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
    const result = new Uint8Array(Math.max(bytes.length, end + 32));
    result.set(bytes);
    result.set(bytes.subarray(0, 32), end);
    return result;
  };
  await damaged(place, begin, async (segment) => {
    await withServingNode(place, [], async ({ said }) => {
      assertEquals(await ask(place, ["MGET", "greeting", "marker"]), ["hello", "the last one"]);
      assertStringIncludes(said(), `cut ${segment} at byte `);
    });
  });
}

function indexOf(bytes: Uint8Array, text: string): number {
  const wanted = new TextEncoder().encode(text);
  const at = bytes.findIndex((_, from) => wanted.every((byte, i) => bytes[from + i] === byte));
  assert(at >= 0, `the log does not hold ${text}`);
  return at;
}
