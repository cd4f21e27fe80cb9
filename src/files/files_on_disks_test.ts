import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { Readable } from "node:stream";
import { withTemporaryDirectory } from "../../tests/support/temporary_directory.ts";
import { until } from "../../tests/support/until.ts";
import { silentLogger } from "../base/logger.ts";
import { errorReplyOf } from "../commands/command_error.ts";
import { StateMachine } from "../commands/state_machine.ts";
import { checkRequest } from "../commands/table.ts";
import { systemClock } from "../platform/clock.ts";
import { HttpBlobPeers } from "./blob_peers.ts";
import { BlobServer } from "./blob_server.ts";
import { BlobStore } from "./blob_store.ts";
import { FileError } from "./file_error.ts";
import { Files } from "./files.ts";

const CLUSTER = "c".repeat(32);
const CONTENT = new Uint8Array(600_000).map((_, at) => (at * 7) % 251);

class DiskNode {
  private constructor(
    readonly id: string,
    readonly store: BlobStore,
    readonly server: BlobServer,
    readonly files: Files,
    readonly peers: HttpBlobPeers,
  ) {}

  static async start(id: string, directory: string, machine: StateMachine): Promise<DiskNode> {
    const [clock, logger] = [systemClock, silentLogger];
    await Deno.mkdir(directory, { recursive: true });
    const store = await BlobStore.open({ directory, reserveBytes: 0, logger });
    const server = await BlobServer.open({
      store,
      clusterId: CLUSTER,
      address: { host: "127.0.0.1", port: 0 },
      clock,
      logger,
    });
    const peers = new HttpBlobPeers({ clusterId: () => CLUSTER, clock });
    const files = new Files({
      send: (args) => {
        machine.advanceTime(Date.now());
        try {
          return Promise.resolve(machine.execute(checkRequest(args), args, Date.now()));
        } catch (error) {
          return Promise.resolve(errorReplyOf(error));
        }
      },
      peers,
      clock,
      logger,
      storage: {
        node: { id, address: `127.0.0.1:${server.port}`, weight: 1 },
        local: store,
        isLeader: () => id === "n1",
        members: () => null,
        scrubPlace: { load: () => Promise.resolve(""), save: () => Promise.resolve() },
        limits: { pullGraceMs: 100, sweepMs: 50, deadGraceMs: 100 },
      },
    });
    files.start();
    return new DiskNode(id, store, server, files, peers);
  }

  async stop(): Promise<void> {
    await this.files.stop();
    this.peers.close();
    await this.server.close();
    await this.store.close();
  }
}

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk.slice());
  return new Uint8Array(Buffer.concat(parts));
}

function body(): Readable {
  const chunks = [];
  for (let at = 0; at < CONTENT.length; at += 60_000) chunks.push(CONTENT.slice(at, at + 60_000));
  return Readable.from(chunks);
}

Deno.test("files on real disks survive a flipped byte, a removed blob and a lost node", () =>
  withTemporaryDirectory(async (directory) => {
    const machine = new StateMachine();
    const start = (id: string) => DiskNode.start(id, `${directory}/${id}`, machine);
    const [n1, n2, n3] = [await start("n1"), await start("n2"), await start("n3")];
    const nodes = [n1, n2, n3];
    try {
      await until("all are announced", () => machine.files.layout.nodes.length === 3);
      const record = await n1.files.put("a", body(), { size: CONTENT.length, type: "" });
      const holds = (count: number) =>
        machine.files.findBlob(record.blob)?.holders.length === count;
      await until("all hold it", () => holds(3));
      for (const { files } of nodes) {
        assertEquals(await readAll(files.read(record, 5, 599_990)), CONTENT.slice(5, -10));
      }
      const path = `${directory}/n2/blobs/${record.blob.slice(0, 2)}/${record.blob}`;
      const file = await Deno.open(path, { read: true, write: true });
      await file.seek(300_000, Deno.SeekMode.Start);
      await file.write(Uint8Array.of((CONTENT[300_000] ?? 0) ^ 1));
      file.close();
      assertEquals(await readAll(n2.files.read(record, 0, record.size)), CONTENT);
      await until("the corrupt copy is replaced", () => n2.store.has(record.blob) && holds(3));
      assert(await n2.store.verify(record.blob));
      await n3.stop();
      nodes.pop();
      for (const { files } of nodes) {
        assertEquals(await readAll(files.read(record, 0, record.size)), CONTENT);
      }
      assertEquals((await n1.files.put("b", body(), { size: null, type: "" })).version, 2);
      await n1.files.delete("a", {});
      await until("the content is gone", () => !n1.store.has(record.blob));
    } finally {
      await Promise.all(nodes.map((node) => node.stop()));
    }
  }));

Deno.test("a damaged and a missing copy that another node reads are replaced at once", () =>
  withTemporaryDirectory(async (directory) => {
    const machine = new StateMachine();
    const start = (id: string) => DiskNode.start(id, `${directory}/${id}`, machine);
    const [n1, n2] = [await start("n1"), await start("n2")];
    try {
      await until("all are announced", () => machine.files.layout.nodes.length === 2);
      for (const how of ["damaged", "missing"]) {
        const record = await n1.files.put(how, body(), { size: CONTENT.length, type: "" });
        const holders = () => machine.files.findBlob(record.blob)?.holders ?? [];
        await until("both hold it", () => holders().length === 2);
        const path = `${directory}/n2/blobs/${record.blob.slice(0, 2)}/${record.blob}`;
        if (how === "missing") await Deno.remove(path);
        else await Deno.writeFile(path, new Uint8Array(CONTENT.length), { append: false });
        const { address } = machine.files.layout.nodes.find(({ id }) => id === "n2") ?? {};
        await readAll(n1.peers.pull(address ?? "", record.blob, 0, 10)).catch(() => {});
        await until("its loss is known", () => !holders().includes("n2"));
        await until("it is replaced", () => holders().length === 2);
        assert(await n2.store.verify(record.blob));
      }
    } finally {
      await Promise.all([n1.stop(), n2.stop()]);
    }
  }));

Deno.test("a body that breaks off leaves nothing on real disks", () =>
  withTemporaryDirectory(async (directory) => {
    const machine = new StateMachine();
    const ids = ["n1", "n2", "n3"];
    const nodes: DiskNode[] = [];
    for (const id of ids) nodes.push(await DiskNode.start(id, `${directory}/${id}`, machine));
    try {
      await until("all are announced", () => machine.files.layout.nodes.length === 3);
      const broken = new Readable({ read() {} });
      broken.push(CONTENT.slice(0, 200_000));
      const put = nodes[0]?.files.put("a", broken, { size: CONTENT.length, type: "" });
      const error = put?.catch((error) => error);
      const staged = () => ids.flatMap((id) => [...Deno.readDirSync(`${directory}/${id}/staging`)]);
      await until("all have begun", () => staged().length === 3);
      broken.destroy();
      assertEquals((await error as FileError).code, "aborted");
      const stored = () => nodes.flatMap(({ store }) => [...store.ids()]);
      await until("nothing is left", () => staged().length + stored().length === 0);
      assertEquals(machine.files.size, 0);
    } finally {
      await Promise.all(nodes.map((node) => node.stop()));
    }
  }));
