import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import { MemoryNetwork } from "../../../tests/support/node/memory_network.ts";
import { silentLogger } from "../../base/logger.ts";
import { seededRandom } from "../../base/random.ts";
import type { Network } from "../../platform/network.ts";
import { Batch, encodeEntry, type LogEntry } from "../log/entry.ts";
import { ENTRY_PART_BYTES } from "./message_codec.ts";
import type { PeerMessage } from "./peer_message.ts";
import { PeerTransport } from "./transport.ts";

/**
 * What anybody may write who has a recorded stream and these words: a 4-byte big-endian length, and
 * that many bytes of UTF-8 JSON. Uses nothing of this project.
 */
// deno-lint-ignore no-explicit-any
function dump(stream: Uint8Array): any[] {
  const objects = [];
  const view = new DataView(stream.buffer, stream.byteOffset, stream.length);
  for (let at = 0; at < stream.length;) {
    const length = view.getUint32(at, false);
    const text = new TextDecoder("utf-8", { fatal: true }).decode(
      stream.slice(at + 4, at + 4 + length),
    );
    objects.push(JSON.parse(text));
    at += 4 + length;
  }
  return objects;
}

const bytesOf = (base64: string) => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));

/** The bytes that one node sends another, by connection. */
async function recorded(messages: readonly PeerMessage[]): Promise<Uint8Array[]> {
  const clock = new ManualClock();
  const network = new MemoryNetwork(clock);
  const streams: Buffer[][] = [];
  const tapped: Network = {
    listen: (address, accept) => network.listen(address, accept),
    connect(address, handlers) {
      const pieces: Buffer[] = [];
      streams.push(pieces);
      const stream = network.connect(address, handlers);
      const write = stream.write.bind(stream);
      stream.write = (data) => {
        pieces.push(typeof data === "string" ? Buffer.from(data, "latin1") : Buffer.from(data));
        write(data);
      };
      return stream;
    },
  };
  const transport = (id: string, port: number, own: Network) =>
    new PeerTransport({
      ...{ id, clusterId: "c1", listen: { host: "memory", port }, network: own, clock },
      clientAddress: { host: "memory", port: port - 10_000 },
      ...{ entryBytesMax: 1e6, random: seededRandom(1), logger: silentLogger },
      credentials: () => (
        { incarnation: `of ${id}`, life: "l", founders: { n1: "of n1" }, isFounded: true }
      ),
    }, { onMessage() {}, onUnreachable() {}, onAnnounced() {}, onRemoved() {}, onRefused() {} });
  const receiver = transport("n2", 17002, network);
  await receiver.start();
  const sender = transport("n1", 17001, tapped);
  const plan = {
    ...{ index: 0, committedIndex: 0, removed: [], incarnations: new Map() },
    committedMembers: new Set(["n1", "n2"]),
  };
  receiver.follow({ ...plan, addresses: new Map() });
  sender.follow({ ...plan, addresses: new Map([["n2", { host: "memory", port: 17002 }]]) });
  clock.advance(10);
  messages.forEach((message) => sender.send(message));
  sender.flush();
  clock.advance(10);
  return streams.map((pieces) => Buffer.concat(pieces));
}

function entry(index: number, value: string): LogEntry {
  return {
    index,
    term: 2,
    data: new Batch(1_700_000_000_000, [["SET", "k", value]]),
    sizeBytes: 0,
  };
}

Deno.test("the wire has JSON frames, which a few lines in any language decode", async () => {
  const entries = [entry(5, "\x00\xff"), entry(6, "v".repeat(ENTRY_PART_BYTES)), entry(7, "")];
  const chunk = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const envelope = { from: "n1", to: "n2", term: 2 } as const;
  const streams = await recorded([
    { ...envelope, type: "append", prevIndex: 4, prevTerm: 1, commit: 3, entries },
    { ...envelope, type: "heartbeat", commit: 3, round: 9 },
    { ...envelope, type: "snapshotChunk", index: 8, checksum: 77, offset: 20, bytes: chunk },
  ]);
  const [bulk = [], urgent = []] = streams.map(dump);
  for (const [hello] of [bulk, urgent]) {
    assertEquals([hello.cluster, hello.from, hello.to], ["c1", "n1", "n2"]);
    assertEquals([hello.incarnation, hello.founders], ["of n1", { n1: "of n1" }]);
  }
  const term = 2;
  assertEquals(urgent.slice(1), [{ type: "heartbeat", term, commit: 3, round: 9 }]);
  const [, first, second, append, snapshot, ...others] = bulk;
  assertEquals(others, []);
  const logged = entries.map((one) => new Uint8Array(encodeEntry(one)));
  const { length: sizeBytes } = logged[1] ?? [];
  for (const [at, part] of [first, second].entries()) {
    const { bytes: _bytes, ...fields } = part;
    const offset = at * ENTRY_PART_BYTES;
    assertEquals(fields, { type: "entryPart", index: 6, offset, sizeBytes });
  }
  assertEquals(bytesOf(first.bytes + second.bytes), logged[1]);
  const [fifth, sixth, seventh] = append.entries;
  assertEquals([bytesOf(fifth), sixth, bytesOf(seventh)], [logged[0], null, logged[2]]);
  assertEquals({ ...append, entries: 3 }, {
    ...{ type: "append", term, prevIndex: 4, prevTerm: 1, commit: 3, entries: 3 },
  });
  assertEquals({ ...snapshot, bytes: bytesOf(snapshot.bytes) }, {
    ...{ type: "snapshotChunk", term, index: 8, checksum: 77, offset: 20, bytes: chunk },
  });
  assert(streams.every((stream) => stream.length > 0));
});
