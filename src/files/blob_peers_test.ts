import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Readable } from "node:stream";
import {
  codeOf,
  content,
  drain as drainPieces,
  ID,
  MIB,
  PATH,
} from "../../tests/support/blob_place.ts";
import { FaultyBlobDisk } from "../../tests/support/faulty_blob_disk.ts";
import { sha256Of, summaryOf } from "../../tests/support/files/content_sums.ts";
import { withTemporaryDirectory } from "../../tests/support/temporary_directory.ts";
import { until } from "../../tests/support/until.ts";
import { joinBytes } from "../base/bytes.ts";
import { silentLogger } from "../base/logger.ts";
import { systemClock } from "../platform/clock.ts";
import { HttpBlobPeers, type HttpBlobPeersOptions } from "./blob_peers.ts";
import { BlobServer, type BlobServerOptions } from "./blob_server.ts";
import { BlobStore, type BlobWriter } from "./blob_store.ts";
import { chunksOf } from "./body_chunks.ts";
import { FileError, type FileErrorCode } from "./file_error.ts";
import type { UploadsService } from "./resumable_uploads.ts";
import { decodeCall, encodeCall, NodeUploads } from "./upload_forwarding.ts";

interface Pair {
  readonly dir: string;
  readonly faulty: FaultyBlobDisk;
  readonly store: BlobStore;
  readonly server: BlobServer;
  readonly address: string;
  readonly peers: HttpBlobPeers;
}

/** Demands that no file, connection or timer is left at the end. */
async function withPair(
  test: (pair: Pair) => Promise<void>,
  options: Partial<BlobServerOptions & HttpBlobPeersOptions> = {},
): Promise<void> {
  await withTemporaryDirectory(async (dir) => {
    const faulty = await FaultyBlobDisk.open(dir);
    const store = await BlobStore.open({
      directory: dir,
      reserveBytes: 0,
      logger: silentLogger,
      disk: faulty.disk,
    });
    const server = await BlobServer.open({
      address: { host: "127.0.0.1", port: 0 },
      clusterId: "ours",
      store,
      clock: systemClock,
      logger: silentLogger,
      ...options,
    });
    const peers = new HttpBlobPeers({ clusterId: () => "ours", clock: systemClock, ...options });
    try {
      await test({ dir, faulty, store, server, address: `127.0.0.1:${server.port}`, peers });
    } finally {
      peers.close();
      await server.close();
      await store.close();
    }
    assertEquals(faulty.openFiles, 0);
  });
}

async function fill(writer: BlobWriter, bytes: Uint8Array, step = 65_536) {
  for (let at = 0; at < bytes.length; at += step) await writer.write(bytes.slice(at, at + step));
  return await writer.finish(sha256Of(bytes));
}

async function put(store: BlobStore, bytes: Uint8Array): Promise<void> {
  await fill(await store.create(ID, bytes.length), bytes);
}

/** @returns all bytes that came, and the code of the error that ended them */
async function drain(
  pieces: AsyncIterable<Uint8Array>,
): Promise<[Uint8Array, FileErrorCode | null]> {
  const [all, error] = await drainPieces(pieces);
  if (error !== null && !(error instanceof FileError)) throw error;
  return [all, error?.code ?? null];
}

/** Whether any file is below staging or blobs. */
function isEmpty(dir: string): boolean {
  return [...Deno.readDirSync(`${dir}/staging`), ...Deno.readDirSync(`${dir}/blobs/01`)].length ===
    0;
}

/** The sum of a content that nobody looks at. */
const NO_SHA256 = "0".repeat(64);

Deno.test("blobs of all sizes go to another node and come back, over one connection", async () => {
  await withPair(async ({ address, peers, server, store }) => {
    for (const size of [0, 1, 65_535, 65_536, 65_537, MIB + 1, 3 * MIB]) {
      for (const announced of [size, null]) {
        for (const step of [10_000, 400_000]) {
          const bytes = content(size);
          const sent = await fill(peers.push(address, ID, announced), bytes, step);
          assertEquals(sent, summaryOf(bytes));
          assertEquals(await drain(peers.pull(address, ID, 0, size)), [bytes, null]);
          const half = size >> 1;
          assertEquals(await drain(peers.pull(address, ID, half, size)), [
            bytes.subarray(half),
            null,
          ]);
          await peers.remove(address, ID);
          assertEquals(store.has(ID), false);
        }
      }
    }
    assertEquals(await peers.ping(address), true);
    await untilOneConnection(server);
  });
});

/** Waits until a connection that was just closed is gone at both ends. */
async function untilOneConnection(server: BlobServer): Promise<void> {
  await until("one connection is left", () => openSockets(server) === 1);
}

/** Established connections to the server. Tests of other files have connections of their own. */
function openSockets({ port }: BlobServer): number {
  const end = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return Deno.readTextFileSync("/proc/net/tcp").split("\n").filter((line) => {
    const [, local = "", , state] = line.trim().split(/\s+/);
    return state === "01" && local.endsWith(end);
  }).length;
}

Deno.test("many blobs at once all arrive", async () => {
  await withPair(async ({ address, peers, server, store }) => {
    const ids = Array.from({ length: 64 }, (_, i) => i.toString(16).padStart(32, "0"));
    const bytes = content(10_240);
    await Promise.all(ids.map((id) => fill(peers.push(address, id, bytes.length), bytes)));
    assertEquals([...store.ids()].sort(), ids);
    await until("idle connections are closed", () => openSockets(server) <= 16); // no more are kept
  });
});

Deno.test("contents beyond the limit are refused with a sentence, and a sign of life is not", async () => {
  await withPair(async ({ address, peers, store }) => {
    await put(store, content(10));
    const held = peers.push(address, "e".repeat(32), MIB);
    await held.ready?.(); // it is asked for its content
    const other = "f".repeat(32);
    const error = await assertRejects(() => fill(peers.push(address, other, 10), content(10)));
    assertMatch((error as FileError).message, /too many transfers/);
    assertEquals(await drain(peers.pull(address, ID, 0, 1)), [new Uint8Array(0), "unavailable"]);
    assertEquals(await peers.ping(address), true);
    await held.abort();
    await until("there is room again", async () => {
      return (await drain(peers.pull(address, ID, 0, 1)))[1] === null;
    });
  }, { transfersMax: 1 });
});

Deno.test("another cluster's requests are refused, and leave nothing", async () => {
  await withPair(async ({ address, dir, store, server }) => {
    const peers = new HttpBlobPeers({ clusterId: () => "theirs", clock: systemClock });
    assertEquals(await peers.ping(address), false);
    assertEquals(await codeOf(() => fill(peers.push(address, ID, 10), content(10))), "bad-request");
    assertEquals(isEmpty(dir), true);
    await put(store, content(10));
    assertEquals(await codeOf(() => peers.remove(address, ID)), "bad-request");
    assertEquals((await drain(peers.pull(address, ID, 0, 10)))[1], "bad-request");
    assertEquals(store.has(ID), true);
    peers.close();
    const answer = await exchange(server, "GET /ping HTTP/1.1\r\nHost: a\r\n\r\n");
    assertEquals(answer.slice(0, 12), "HTTP/1.1 403");
  });
});

Deno.test("errors of the other node arrive as they are", async () => {
  await withPair(async ({ address, peers, faulty, store }) => {
    assertEquals((await drain(peers.pull(address, ID, 0, 1)))[1], "not-found");
    await put(store, content(10));
    assertEquals((await drain(peers.pull(address, ID, 0, 11)))[1], "bad-request");
    assertEquals((await drain(peers.pull(address, ID, 5, 4)))[1], "bad-request");
    assertEquals(
      await codeOf(() => fill(peers.push(address, ID, 10), content(10))),
      "precondition-failed",
    );
    faulty.freeBytes = 5;
    const other = ID.replace("0", "1");
    const error = await assertRejects(
      () => fill(peers.push(address, other, 10), content(10)),
      FileError,
      "There is not enough room",
    );
    assertEquals(error.code, "insufficient-storage");
    assertEquals(await codeOf(() => peers.push("nowhere", ID, 1)), "bad-request");
    assertEquals(await peers.ping(address), true);
  });
});

Deno.test("a push that is refused early learns why, however much is under way", async () => {
  for (const size of [64 * MIB, null]) {
    for (const when of ["at once", "later"]) {
      await withPair(async ({ address, peers, faulty, dir }) => {
        if (when === "at once") faulty.freeBytes = 0;
        else faulty.fault = (call) => call === "write" ? "ENOSPC" : null;
        const writer = peers.push(address, ID, size);
        const piece = new Uint8Array(MIB);
        let written = 0;
        const code = await codeOf(async () => {
          for (; written < 64; written++) await writer.write(piece);
          await writer.finish(NO_SHA256);
        });
        assertEquals(code, "insufficient-storage");
        assert(written < 64, "it noticed only at the end");
        assertEquals(await codeOf(() => writer.finish(NO_SHA256)), "insufficient-storage");
        await writer.abort();
        await until("the blob is gone", () => isEmpty(dir));
      });
    }
  }
});

Deno.test("a pusher that gives up or vanishes leaves nothing on the other node", async () => {
  await withPair(async ({ address, peers, dir, faulty }) => {
    for (const size of [10 * MIB, null]) {
      const writer = peers.push(address, ID, size);
      await writer.write(content(MIB));
      await until("the blob is being written", () => !isEmpty(dir));
      await writer.abort();
      await until("the blob is gone", () => isEmpty(dir) && faulty.openFiles === 0);
      assertEquals(await codeOf(() => writer.write(new Uint8Array(1))), "aborted");
      assertEquals(await codeOf(() => writer.finish(NO_SHA256)), "aborted");
    }
  });
});

Deno.test("a pusher that sends less than it announced is told so in the end", async () => {
  await withPair(async ({ address, peers, dir }) => {
    const writer = peers.push(address, ID, 10);
    await writer.write(content(9));
    assertEquals(await codeOf(() => writer.finish(NO_SHA256)), "bad-request");
    const more = peers.push(address, ID, 10);
    assertEquals(await codeOf(() => more.write(content(11))), "bad-request");
    await until("the blob is gone", () => isEmpty(dir));
  });
});

Deno.test("a server that vanishes fails pushes and pulls", async () => {
  await withPair(async ({ address, peers, server, store, dir }) => {
    await put(store, content(8 * MIB));
    const pull = peers.pull(address, ID, 0, 8 * MIB)[Symbol.asyncIterator]();
    await pull.next();
    const other = `01${"0".repeat(30)}`;
    const push = peers.push(address, other, 10 * MIB);
    await push.write(content(MIB));
    await until("the push has begun", () => [...Deno.readDirSync(`${dir}/staging`)].length === 1);
    await server.close();
    assertEquals([...Deno.readDirSync(`${dir}/staging`)], []); // given up by now
    assertEquals((await drain({ [Symbol.asyncIterator]: () => pull }))[1], "unavailable");
    const code = await codeOf(async () => {
      for (let i = 0; i < 9; i++) await push.write(new Uint8Array(MIB));
      await push.finish(NO_SHA256);
    });
    assertEquals(code, "unavailable");
    assertEquals(
      await codeOf(() => fill(peers.push(address, other, 1), content(1))),
      "unavailable",
    );
    assertEquals(await peers.ping(address), false);
  });
});

Deno.test("a damaged chunk cuts a pull after the good bytes before it", async () => {
  await withPair(async ({ address, peers, store, dir }) => {
    for (const at of [0, 70_000, MIB + 5, 2 * MIB + 100_000]) {
      const bytes = content(3 * MIB);
      await put(store, bytes);
      const file = Deno.readFileSync(`${dir}/${PATH}`);
      file[at]! ^= 1;
      Deno.writeFileSync(`${dir}/${PATH}`, file);
      const good = at - at % 65_536;
      const [got, code] = await drain(peers.pull(address, ID, 0, bytes.length));
      assertEquals(got, bytes.subarray(0, good));
      assertEquals(code, good === 0 ? "checksum-mismatch" : "unavailable");
      assertEquals(store.has(ID), false);
    }
  });
});

Deno.test("a puller that stops early frees the other node's file and the connection", async () => {
  await withPair(async ({ address, peers, server, store, faulty }) => {
    await put(store, content(16 * MIB));
    for await (const _ of peers.pull(address, ID, 0, 16 * MIB)) break;
    await until(
      "file and connection are closed",
      () => faulty.openFiles === 0 && openSockets(server) === 0,
    );
    // One that never began does nothing at all.
    await peers.pull(address, ID, 0, 1)[Symbol.asyncIterator]().return?.();
    assertEquals(openSockets(server), 0);
  });
});

Deno.test("a puller that stops reading is cut, and holds little memory until then", async () => {
  const times = { headMs: 10_000, idleMs: 10_000, stalledMs: 300 };
  await withPair(async ({ store, faulty, server }) => {
    await put(store, content(24 * MIB));
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    await connection.write(new TextEncoder().encode(
      `GET /blobs/${ID} HTTP/1.1\r\nHost: a\r\nRegent-Cluster: ours\r\n\r\n`,
    ));
    faulty.calls.length = 0;
    await until("the blob is read", () => faulty.openFiles === 1);
    await until("the reader is given up", () => faulty.openFiles === 0);
    const reads = faulty.calls.filter((call) => call.startsWith("read"));
    assert(reads.length < 16, `it read ${reads.length} MiB ahead`);
  }, { times });
});

Deno.test("a pusher that stops sending is cut, and leaves nothing", async () => {
  const times = { headMs: 10_000, idleMs: 10_000, stalledMs: 300 };
  await withPair(async ({ address, peers, dir }) => {
    const writer = peers.push(address, ID, 10 * MIB);
    await writer.write(content(MIB));
    await until("the blob is being written", () => !isEmpty(dir));
    await until("the blob is gone", () => isEmpty(dir));
    const code = await codeOf(async () => {
      for (let i = 0; i < 9; i++) await writer.write(new Uint8Array(MIB));
      await writer.finish(NO_SHA256);
    });
    assertEquals(code, "unavailable");
  }, { times });
});

Deno.test("a server that neither takes nor answers is given up", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const connection of listener) accepted.push(connection);
  })();
  const peers = new HttpBlobPeers({ clusterId: () => "ours", clock: systemClock, stalledMs: 200 });
  const address = `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
  assertEquals(await peers.ping(address), false);
  assertEquals((await drain(peers.pull(address, ID, 0, 1)))[1], "unavailable");
  const writer = peers.push(address, ID, null);
  const code = await codeOf(async () => {
    for (;;) await writer.write(new Uint8Array(MIB));
  });
  assertEquals(code, "unavailable");
  peers.close();
  listener.close();
  await accepting;
  for (const connection of accepted) connection.close();
});

Deno.test("the other node removes a blob that is being written there", async () => {
  await withPair(async ({ address, peers, dir }) => {
    const writer = peers.push(address, ID, 10 * MIB);
    await writer.write(content(MIB));
    await until("the blob is being written", () => !isEmpty(dir));
    await peers.remove(address, ID);
    assertEquals(isEmpty(dir), true);
    const code = await codeOf(async () => {
      for (let i = 0; i < 9; i++) await writer.write(new Uint8Array(MIB));
      await writer.finish(NO_SHA256);
    });
    assertEquals(code, "aborted");
  });
});

/** Sends this on a new connection. @returns what comes until the other side closes it */
async function exchange(server: BlobServer, text: string): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await connection.write(new TextEncoder().encode(text));
  await connection.closeWrite();
  let answer = "";
  const buffer = new Uint8Array(65_536);
  for (;;) {
    const count = await connection.read(buffer).catch(() => null);
    if (count === null) return answer;
    answer += new TextDecoder().decode(buffer.subarray(0, count));
  }
}

Deno.test("paths that are no ids reach no file", async () => {
  await withPair(async ({ server, dir }) => {
    Deno.writeTextFileSync(`${dir}/secret`, "secret");
    const paths = ["/blobs/../secret", "/secret", `/blobs/..%2f..%2fsecret`, `/blobs/${ID}/x`, "/"];
    for (const path of paths) {
      for (const method of ["GET", "PUT", "DELETE"]) {
        const answer = await exchange(
          server,
          `${method} ${path} HTTP/1.1\r\nHost: a\r\nRegent-Cluster: ours\r\nConnection: close\r\n\r\n`,
        );
        assertEquals(answer.slice(0, 12), "HTTP/1.1 400", `${method} ${path}`);
      }
    }
  });
});

Deno.test("a node that has no room says so before it is sent anything", async () => {
  await withPair(async ({ address, store, peers }) => {
    const { freeBytes } = await store.space();
    const size = freeBytes + 2 ** 40;
    assertEquals(
      await codeOf(() => peers.push(address, ID, size).ready?.()),
      "insufficient-storage",
    );
    for (const bytes of [content(MIB), content(100)]) {
      const writer = peers.push(address, ID, bytes.length);
      await writer.ready?.();
      assertEquals((await fill(writer, bytes)).size, bytes.length);
      await peers.remove(address, ID);
    }
  });
});

Deno.test("calls about uploads carry long metadata, and contents, over one connection", async () => {
  const metadata = `filename ${btoa("a")},more ${"A".repeat(8_000)}`;
  const upload = { name: "é".repeat(500), size: 3 * MIB, type: '"'.repeat(8_000), metadata };
  const state = { ...upload, id: "x", offset: 0, expiresMs: 0, version: null };
  const seen: unknown[] = [];
  const uploads: UploadsService = {
    create(...args) {
      seen.push(args);
      return Promise.resolve(state);
    },
    state: () => Promise.reject(new FileError("busy", "Later.")),
    async append(_id, offset, body, checksum) {
      const pieces: Uint8Array[] = [];
      for await (const chunk of chunksOf(body)) pieces.push(chunk);
      seen.push(offset, joinBytes(pieces), checksum);
      return state;
    },
    remove: () => Promise.resolve(true),
  };
  await withPair(async ({ address, peers, server }) => {
    const nodes = new NodeUploads(
      (_node, request, body) => peers.sendUpload(address, request, body),
      () => Promise.resolve("n1"),
    );
    const remote = nodes.uploadsOf("n1");
    assertEquals(await remote.create(upload), state);
    assertEquals(await codeOf(() => remote.state("x", true)), "busy");
    assertEquals(await remote.remove("x"), true);
    const checksum = { algorithm: "md5", bytes: content(16) } as const;
    for (const size of [0, 1, 3 * MIB]) {
      await remote.append("x", 7, Readable.from([content(size)]), checksum);
      assertEquals(seen.splice(-3), [7, content(size), checksum]);
    }
    assertEquals(seen, [[upload]]);
    await untilOneConnection(server);
    const long = { ...upload, metadata: "A".repeat(64 * 1024) };
    assertEquals(await codeOf(() => remote.create(long)), "bad-request");
    for (const body of ["", "\0\0", "\0\0\0\x03{}", "\x7f\0\0\0{}", "\0\0\0\x02{x"]) {
      const head = `POST /uploads/create HTTP/1.1\r\nHost: a\r\nRegent-Cluster: ours\r\n`;
      const length = `Connection: close\r\nContent-Length: ${body.length}\r\n\r\n`;
      assertMatch(await exchange(server, head + length + body), /"code":"bad-request"/);
    }
  }, { uploads: () => uploads });
});

Deno.test("a call may come in pieces of one byte, with the content right behind it", async () => {
  const whole = joinBytes([encodeCall('{"a":"é"}'), content(10)]);
  for (const step of [1, 3, 5, 100]) {
    const pieces = async function* () {
      for (let at = 0; at < whole.length; at += step) yield whole.slice(at, at + step);
    };
    const { call, rest } = await decodeCall(pieces());
    assertEquals([call, await drain(rest)], ['{"a":"é"}', [content(10), null]]);
  }
});
