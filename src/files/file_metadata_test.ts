import { assertEquals, assertRejects } from "@std/assert";
import { errorReplyOf } from "../commands/command_error.ts";
import { StateMachine } from "../commands/state_machine.ts";
import { checkRequest } from "../commands/table.ts";
import { encodeReply } from "../resp/encode.ts";
import { ErrorReply, type Reply } from "../resp/reply.ts";
import { decodeReply } from "../resp/reply_scanner.ts";
import { FileError } from "./file_error.ts";
import {
  type FileCommit,
  FileMetadata,
  RefusedCommand,
  type SendCommand,
} from "./file_metadata.ts";
import { UnexpectedReply } from "./replies.ts";

const BLOB = "0123456789abcdef".repeat(2);
const SHA256 = "ab".repeat(32);
const COMMIT: FileCommit = {
  name: "Björk – Jóga.mp3",
  blob: BLOB,
  size: 2 ** 40,
  sha256: SHA256,
  copies: 2,
  holders: ["n1", "n2"],
  deadlineMs: 5_000,
  type: "audio/mpeg",
  owner: "Ana",
  tags: { title: "Jóga", year: 1997 },
  condition: null,
};

/** A client of a state machine, as replies come by the given protocol. */
function clientOf(protocol: 2 | 3): { metadata: FileMetadata; machine: StateMachine } {
  const machine = new StateMachine();
  machine.advanceTime(1_000);
  const send: SendCommand = (args) => {
    try {
      const reply = machine.execute(checkRequest(args), args, 1_000);
      return Promise.resolve(decodeReply(encodeReply(reply, protocol)));
    } catch (error) {
      return Promise.resolve(errorReplyOf(error));
    }
  };
  return { metadata: new FileMetadata(send), machine };
}

async function withNodes(protocol: 2 | 3): Promise<FileMetadata> {
  const { metadata } = clientOf(protocol);
  for (const id of ["n1", "n2"]) {
    const address = `10.0.0.1:700${id.at(-1)}`;
    await metadata.announce({ id, address, weight: 1.5, capacityBytes: 2 ** 43, freeBytes: 7 });
  }
  return metadata;
}

for (const protocol of [2, 3] as const) {
  Deno.test(`all commands understand each other over RESP${protocol}`, async () => {
    const metadata = await withNodes(protocol);
    assertEquals(await metadata.stat(COMMIT.name), null);
    assertEquals(await metadata.where(COMMIT.name), null);
    const committed = { version: 1, createdVersion: 1, createdMs: 1_000, modifiedMs: 1_000 };
    assertEquals(await metadata.commit(COMMIT), committed);
    assertEquals(await metadata.commit(COMMIT), committed, "a commit may be repeated");
    const { deadlineMs: _, condition: __, ...data } = COMMIT;
    const record = { ...data, ...committed };
    assertEquals(await metadata.stat(COMMIT.name), record);
    assertEquals(await metadata.list({ prefix: "Bj", contains: "jóga", count: 5, by: "size" }), {
      files: [record],
      cursor: null,
    });
    const place = await metadata.where(COMMIT.name);
    assertEquals(place?.health, "healthy");
    assertEquals(place?.wanted.toSorted(), ["n1", "n2"]);
    const nodes = await metadata.nodes();
    assertEquals(nodes.version, 1);
    assertEquals(nodes.nodes[0], {
      id: "n1",
      address: "10.0.0.1:7001",
      weight: 1.5,
      capacity: 2 ** 43,
      free: 7,
      state: "up",
      ringWeight: 1.5,
      blobs: 1,
      bytes: 2 ** 40,
    });
    assertEquals((await metadata.repair()).files, 1);
  });

  Deno.test(`a lost copy is work for its node, over RESP${protocol}`, async () => {
    const metadata = await withNodes(protocol);
    await metadata.commit(COMMIT);
    assertEquals(await metadata.lost("n2", [BLOB]), 1);
    const state = { size: 2 ** 40, sha256: SHA256, holders: ["n1"] };
    assertEquals(await metadata.blobs([BLOB, "f".repeat(32)]), [{ ...state, isDead: false }, null]);
    const pull = { ...state, blob: BLOB, action: "pull" };
    assertEquals(await metadata.work("n2", null, 10), { items: [pull], cursor: null } as never);
    assertEquals(await metadata.held("n2", [BLOB]), 1);
    assertEquals(await metadata.release("n2", [BLOB, "f".repeat(32)]), [false, true]);
    assertEquals(await metadata.out("n2"), true);
    assertEquals(await metadata.drain("n1", true), true);
    assertEquals(await metadata.drain("n1", false), true);
    assertEquals(await metadata.delete(COMMIT.name, { ifVersion: 1 }), true);
    assertEquals(await metadata.delete(COMMIT.name, {}), false);
    assertEquals((await metadata.blobs([BLOB]))[0]?.isDead, true);
    assertEquals(await metadata.forget("n2"), true);
  });
}

Deno.test("a list goes on at the cursor, in either direction", async () => {
  const metadata = await withNodes(2);
  for (let at = 0; at < 5; at++) {
    const blob = String(at).repeat(32);
    await metadata.commit({ ...COMMIT, name: `é${at}`, blob, size: at });
  }
  const names: string[] = [];
  let cursor: string | null = null;
  do {
    const query = { count: 2, by: "size" as const, reverse: true };
    const page: Awaited<ReturnType<typeof metadata.list>> = await metadata.list(
      cursor === null ? query : { ...query, cursor },
    );
    names.push(...page.files.map(({ name }) => name));
    cursor = page.cursor;
  } while (cursor !== null);
  assertEquals(names, ["é4", "é3", "é2", "é1", "é0"]);
});

Deno.test("conditions reach the log", async () => {
  const metadata = await withNodes(2);
  const next = { ...COMMIT, blob: "1".repeat(32) };
  assertEquals(await metadata.commit({ ...COMMIT, condition: "present" }), null);
  assertEquals((await metadata.commit({ ...COMMIT, condition: "absent" }))?.version, 1);
  assertEquals(await metadata.commit({ ...next, condition: { ifVersion: 2 } }), null);
  const replaced = await metadata.commit({ ...next, condition: { ifVersion: 1 } });
  assertEquals([replaced?.version, replaced?.createdVersion], [2, 1]);
  const error = await assertRejects(() => metadata.delete(COMMIT.name, { ifVersion: 1 }));
  assertEquals((error as FileError).code, "precondition-failed");
});

Deno.test("refusals of a commit tell their reason by a word", async () => {
  const metadata = await withNodes(2);
  const refused = async (commit: Partial<FileCommit>) => {
    const error = await assertRejects(() => metadata.commit({ ...COMMIT, ...commit }));
    return [(error as RefusedCommand).word, (error as RefusedCommand).code];
  };
  assertEquals(await refused({ deadlineMs: 999 }), ["FILEEXPIRED", "unavailable"]);
  assertEquals(await refused({ holders: ["n1", "n3"] }), ["FILENODE", "unavailable"]);
  assertEquals(await refused({ holders: ["n1"] }), ["FILECOPIES", "unavailable"]);
  assertEquals(await refused({ name: "" }), ["ERR", "bad-request"]);
  await metadata.commit(COMMIT);
  assertEquals(await refused({ size: 1 }), ["FILEBLOB", "unavailable"]);
});

Deno.test("errors of all kinds become errors of files", async () => {
  const codeOf = async (send: SendCommand, run: (metadata: FileMetadata) => Promise<unknown>) => {
    const error = await assertRejects(() => run(new FileMetadata(send)));
    return (error as FileError).code;
  };
  const reply = (text: string): SendCommand => () => Promise.resolve(new ErrorReply(text));
  const read = (metadata: FileMetadata) => metadata.stat("a");
  const write = (metadata: FileMetadata) => metadata.lost("n1", [BLOB]);
  assertEquals(await codeOf(reply("UNKNOWN lost"), write), "outcome-unknown");
  assertEquals(await codeOf(reply("CLUSTERDOWN none"), write), "unavailable");
  assertEquals(await codeOf(reply("OOM full"), write), "insufficient-storage");
  const thrown: SendCommand = () => Promise.reject(new ErrorReply("TRYAGAIN later"));
  assertEquals(await codeOf(thrown, write), "unavailable");
  const failed: SendCommand = () => Promise.reject(new Error("reset"));
  assertEquals(await codeOf(failed, write), "outcome-unknown");
  assertEquals(await codeOf(failed, read), "unavailable");
  const own: SendCommand = () => Promise.reject(new FileError("busy", "Later."));
  assertEquals(await codeOf(own, write), "busy");
});

Deno.test("replies of another form are refused", async () => {
  const wrong: readonly [Reply, (metadata: FileMetadata) => Promise<unknown>][] = [
    [["name"], (metadata) => metadata.stat("a")],
    [["name", "a", "version", "x"], (metadata) => metadata.stat("a")],
    [[1, 2], (metadata) => metadata.release("n1", [BLOB])],
    ["OK", (metadata) => metadata.lost("n1", [BLOB])],
    [-1, (metadata) => metadata.lost("n1", [BLOB])],
    [["", [[BLOB, "burn", 1, SHA256, []]]], (metadata) => metadata.work("n1", null, 1)],
    [[null, []], (metadata) => metadata.work("n1", null, 1)],
    [1, (metadata) => metadata.nodes()],
  ];
  for (const [reply, run] of wrong) {
    await assertRejects(
      () => run(new FileMetadata(() => Promise.resolve(reply))),
      UnexpectedReply,
    );
  }
});
