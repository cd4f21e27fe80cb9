import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { CALM } from "../../support/calm.ts";
import { freePorts } from "../../support/free_ports.ts";
import { ask, type LocalCluster } from "../../support/local_cluster.ts";
import { PatientClient } from "../../support/patient_client.ts";
import { RegentProcess, runRegent } from "../../support/regent_process.ts";
import { nodePlace, withServingNode } from "../../support/serving_node.ts";
import { until } from "../../support/until.ts";
import { wholeState } from "../../support/whole_state.ts";
import { withCluster } from "../../support/with_cluster.ts";

const HOST = "127.0.0.1";

Deno.test("a backup of a running cluster", async (t) => {
  await withCluster(CALM, async (cluster) => {
    const file = `${cluster.dir}/one.backup`;
    await t.step("holds one moment, while writes go on", () => backsUpUnderWrites(cluster));
    await t.step("becomes a new cluster with the same state", () => restores(cluster, file));
    await t.step("becomes a cluster of several, of restored nodes only", () => {
      return restoresSeveral(cluster, file);
    });
    await t.step("replaces no file unless told to", () => refusesToReplace(cluster, file));
    await t.step("is refused when it is damaged", () => refusesDamage(cluster, file));
    await t.step("goes nowhere but into an empty directory", () => refusesFull(cluster, file));
  });
});

/** Writes `first` before `second`, the same number, again and again. @returns the last number */
async function writeUntil(port: number, isOver: () => boolean): Promise<number> {
  const client = await PatientClient.connect({ port });
  try {
    for (let at = 1;; at++) {
      await client.request(["SET", "first", String(at)]);
      await client.request(["SET", "second", String(at)]);
      if (isOver()) return at;
    }
  } finally {
    client.close();
  }
}

async function backsUpUnderWrites(cluster: LocalCluster): Promise<void> {
  const file = `${cluster.dir}/moving.backup`;
  let isOver = false;
  const writing = writeUntil(cluster.proxy.port, () => isOver);
  await until("something is written", async () => {
    return Number(await ask(cluster.proxy, ["GET", "second"])) > 20;
  });
  const before = Number(await ask(cluster.proxy, ["GET", "second"]));
  const { code, stdout, stderr } = await runRegent(
    ["backup", "--from", `${HOST}:${cluster.proxy.port}`, file],
  );
  isOver = true;
  const after = await writing;
  assertEquals([code, stderr], [0, ""]);
  assertMatch(
    stdout,
    /backup: everything up to entry \d+, 2 keys, \d+ bytes from \S+ in [\d.]+ s\n$/,
  );
  const place = nodePlace(`${cluster.dir}/moving`);
  assertEquals((await runRegent(["restore", file, "--dir", place.dir, "--id", "n1"])).code, 0);
  await withServingNode(place, [], async () => {
    const first = Number(await ask(place, ["GET", "first"]));
    const second = Number(await ask(place, ["GET", "second"]));
    assert(before <= second && second <= first && first <= second + 1 && first <= after);
  });
}

async function restores(cluster: LocalCluster, file: string): Promise<void> {
  const client = await PatientClient.connect(cluster.proxy);
  for (let at = 0; at < 200; at++) client.request(["SET", `key:${at}`, "\x00\xff\r\n".repeat(at)]);
  await client.request(["SET", "with a deadline", "v", "PX", "3600000"]);
  const session = String(await client.request(["SESSION", "OPEN"]));
  assertEquals(await client.request(["ONCE", session, "1", "INCR", "counter"]), 1);
  client.close();
  const [node] = cluster.nodes;
  assert(node !== undefined);
  const { code } = await runRegent(["backup", "--from", `${HOST}:${node.port}`, file]);
  assertEquals(code, 0);
  const place = nodePlace(`${cluster.dir}/restored`, "anything");
  const restored = await runRegent(["restore", file, "--dir", place.dir, "--id", "anything"]);
  assertEquals([restored.code, restored.stderr], [0, ""]);
  assertMatch(
    restored.stdout,
    /: node anything of the new cluster [0-9a-f]{32}, entry \d+, 204 keys\n/,
  );
  const expected = await wholeState(cluster.proxy);
  for (const _start of ["first", "second"]) {
    await withServingNode(place, [], async () => {
      assertEquals(await wholeState(place), expected);
      assertEquals(await ask(place, ["ONCE", session, "1", "INCR", "counter"]), 1);
      assertEquals(String(await ask(place, ["CLUSTER", "MEMBERS"])).split(",")[0], "anything");
    });
  }
}

async function restoresSeveral(cluster: LocalCluster, file: string): Promise<void> {
  const places = ["n1", "n2", "n3"].map((id) => nodePlace(`${cluster.dir}/several-${id}`, id));
  const peers = places.map(({ raftPort }, at) => `n${at + 1}=${HOST}:${raftPort}`).join(",");
  const [first, second, third] = places;
  assert(first !== undefined && second !== undefined && third !== undefined);
  const restore = async ({ dir }: { readonly dir: string }, id: string) => {
    const args = ["restore", file, "--dir", dir, "--id", id, "--peers", peers];
    assertEquals((await runRegent(args)).code, 0);
  };
  await restore(first, "n1");
  await restore(second, "n2");
  const processes = [
    new RegentProcess(first.args),
    new RegentProcess(second.args),
    // A node without the restored directory, as if it had lost its disk.
    new RegentProcess([...third.args, "--peers", peers]),
  ];
  try {
    const said = () => processes.map(({ said }) => said).join("\n");
    const expected = await wholeState(cluster.proxy);
    await until("the third is refused", () => said().includes("n3 belongs to another cluster"), {
      describe: said,
    });
    await processes[2]?.signal("SIGKILL");
    Deno.removeSync(third.dir, { recursive: true });
    await restore(third, "n3");
    processes.push(new RegentProcess(third.args));
    await until("all serve", async () => {
      const sizes = [];
      for (const place of places) sizes.push(await ask(place, ["DBSIZE"]));
      return sizes.every((size) => size === expected.length);
    }, { describe: said });
    assertEquals(await wholeState(third), expected);
  } finally {
    await Promise.all(processes.map((one) => one.signal("SIGKILL")));
  }
}

async function refusesToReplace(cluster: LocalCluster, file: string): Promise<void> {
  const args = ["backup", "--from", `${HOST}:${cluster.proxy.port}`, file];
  const before = Deno.readFileSync(file);
  const refused = await runRegent(args);
  assertEquals(refused.code, 1);
  assertStringIncludes(refused.stderr, `Cannot write ${file}: it exists; give --force`);
  assertEquals(Deno.readFileSync(file), before);
  assertEquals((await runRegent([...args, "--force"])).code, 0);
}

async function refusesDamage(cluster: LocalCluster, file: string): Promise<void> {
  const sound = Deno.readFileSync(file);
  const { length } = sound;
  const flipped = [0, 5, 60, Math.floor(length / 2), length - 30, length - 1].map((at) => {
    const bytes = sound.slice();
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    return bytes;
  });
  const cut = [0, 7, 300, length - 1].map((size) => sound.slice(0, size));
  const longer = new Uint8Array([...sound, 0]);
  const damaged = [...flipped, ...cut, longer, new TextEncoder().encode("not a backup\n")];
  await Promise.all(damaged.map(async (bytes, at) => {
    const path = `${cluster.dir}/damaged-${at}`;
    Deno.writeFileSync(path, bytes);
    const dir = `${cluster.dir}/from-damaged-${at}`;
    const { code, stdout, stderr } = await runRegent(["restore", path, "--dir", dir, "--id", "n1"]);
    assertEquals([code, stdout], [1, ""], `${at}: ${stderr}`);
    assertMatch(stderr, /^regent: Cannot use \S+: [^\n]+; it is damaged or not a backup\n$/);
    const names = [...Deno.readDirSync(cluster.dir)].map(({ name }) => name);
    assertEquals(names.filter((name) => name.startsWith(`from-damaged-${at}`)), []);
  }));
}

async function refusesFull(cluster: LocalCluster, file: string): Promise<void> {
  const [node] = cluster.nodes;
  assert(node !== undefined);
  const running = await runRegent(["restore", file, "--dir", node.dir, "--id", "n1"]);
  assertEquals(running.code, 1);
  assertStringIncludes(running.stderr, `Cannot restore into ${node.dir}: it holds "identity.json"`);
  const dir = `${cluster.dir}/empty`;
  Deno.mkdirSync(dir);
  assertEquals((await runRegent(["restore", `${file}x`, "--dir", dir, "--id", "n1"])).code, 1);
  assertEquals([...Deno.readDirSync(dir)], []);
  assertEquals((await runRegent(["restore", file, "--dir", dir, "--id", "n1"])).code, 0);
}

Deno.test("a node that dies or sends wrong data leaves no backup behind", async () => {
  const dir = Deno.makeTempDirSync();
  const fields = ["id", "1", "index", 9, "term", 1, "size-bytes", 600_000, "checksum", 1];
  const begun = fields.map((field) => `+${field}\r\n`).join("");
  const chunk = "x".repeat(256 * 1024);
  const answers: Record<string, (readNumber: number) => string | null> = {
    dies: (number) => number < 1 ? `$${chunk.length}\r\n${chunk}\r\n` : null,
    refuses: () => "-ERR the disk is gone\r\n",
    lies: (number) => {
      const bytes = "x".repeat(
        [chunk.length, chunk.length, 600_000 - 2 * chunk.length][number] ?? 0,
      );
      return `$${bytes.length}\r\n${bytes}\r\n`;
    },
  };
  try {
    for (const [name, answer] of Object.entries(answers)) {
      const [port = 0] = freePorts(1);
      const listener = Deno.listen({ hostname: HOST, port });
      const serving = serve(listener, `*${fields.length}\r\n${begun}`, answer);
      const path = `${dir}/${name}.backup`;
      const { code, stderr } = await runRegent(["backup", "--from", `${HOST}:${port}`, path]);
      listener.close();
      await serving;
      assertEquals(code, 1, stderr);
      assertMatch(stderr, /^regent: Cannot (go on|use) [^\n]+\n$/);
      assertEquals([...Deno.readDirSync(dir)], []);
    }
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});

/**
 * Plays a node that is asked for a snapshot. @param answer to each `SNAPSHOT READ`; `null` if it
 * dies
 */
async function serve(
  listener: Deno.Listener,
  begun: string,
  answer: (readNumber: number) => string | null,
): Promise<void> {
  const encoder = new TextEncoder();
  for await (const connection of listener) {
    const buffer = new Uint8Array(65_536);
    let reads = 0;
    reading: for (;;) {
      const count = await connection.read(buffer).catch(() => null);
      if (count === null) break;
      const requests = new TextDecoder().decode(buffer.subarray(0, count)).split(/^\*/m).slice(1);
      for (const request of requests) {
        const text = request.includes("ROLE")
          ? "*2\r\n+role\r\n+leader\r\n"
          : request.includes("BEGIN")
          ? begun
          : answer(reads++);
        if (text === null) break reading;
        const bytes = encoder.encode(text);
        for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
      }
    }
    try {
      connection.close();
    } catch {
      // the other side was first
    }
  }
}
