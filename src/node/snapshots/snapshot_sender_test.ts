import { assertEquals } from "@std/assert";
import { silentLogger } from "../../base/logger.ts";
import type { PeerStatus, RaftStatus } from "../../raft/status.ts";
import type { SnapshotRequest } from "../../raft/types.ts";
import type { SnapshotMessage } from "../peers/peer_message.ts";
import { ManualClock } from "../testing/manual_clock.ts";
import type { SnapshotStore, StoredSnapshot } from "./snapshot.ts";
import { SnapshotSender } from "./snapshot_sender.ts";

const SIZE_BYTES = 100;

Deno.test("a peer that has the snapshot, and needs a newer one by now, is sent that", () => {
  let newest = snapshotOf(10);
  const store = {
    newest: () => newest,
    openNewest: () => ({
      snapshot: newest,
      read: (offset: number) => new Uint8Array(SIZE_BYTES - offset),
      close: () => {},
    }),
    prune: () => {},
  } as unknown as SnapshotStore;
  const sent: SnapshotMessage[] = [];
  const sender = new SnapshotSender({
    store,
    clock: new ManualClock(),
    logger: silentLogger,
    send: (message) => void sent.push(message),
  });
  const request = { type: "snapshot", from: "n1", to: "n2", term: 3 } as SnapshotRequest;
  const reply = { type: "snapshotReply", from: "n2", to: "n1", term: 3, index: 10, checksum: 10 };

  sender.request(request);
  sender.replied({ ...reply, type: "snapshotReply", offset: 0, isToOffer: true });
  sender.tick(statusOf({ match: 9 }));
  sender.replied({ ...reply, type: "snapshotReply", offset: SIZE_BYTES, isToOffer: false });
  newest = snapshotOf(20);
  sender.request(request);
  assertEquals(sent.map(({ type }) => type), ["snapshotOffer", "snapshotChunk"]);

  // The core goes on asking: it has compacted the log up to 20 meanwhile.
  sender.tick(statusOf({ match: 10 }));
  sender.request(request);
  const last = sent.at(-1);
  assertEquals(last?.type === "snapshotOffer" ? last.snapshot.index : last, 20);
});

function snapshotOf(index: number): StoredSnapshot {
  const configuration = { members: [], removed: [] };
  return { index, term: 1, timeMs: 0, configuration, sizeBytes: SIZE_BYTES, checksum: index };
}

function statusOf({ match }: Pick<PeerStatus, "match">): RaftStatus {
  const peer = { id: "n2", isLearner: false, match, next: match + 1, recentlyActive: true };
  return {
    role: "leader",
    term: 3,
    peers: [{ ...peer, state: "snapshot" }],
  } as unknown as RaftStatus;
}
