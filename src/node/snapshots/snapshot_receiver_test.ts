import { assert, assertEquals } from "@std/assert";
import { FaultDisk } from "../../../tests/support/fault_disk.ts";
import { openSnapshots, snapshotElsewhere } from "../../../tests/support/snapshots.ts";
import { StateMachine } from "../../commands/state_machine.ts";
import type { RaftStatus } from "../../raft/status.ts";
import type { SnapshotMessage } from "../peers/peer_message.ts";
import { ManualClock } from "../testing/manual_clock.ts";
import { SnapshotReceiver } from "./snapshot_receiver.ts";

const FROM_LEADER = { from: "n1", to: "n2", term: 3 };

function receiver() {
  const disk = new FaultDisk({ schedule: (run) => run() });
  const store = openSnapshots(disk);
  const clock = new ManualClock();
  const sent: SnapshotMessage[] = [];
  const lines: string[] = [];
  const stepped: number[] = [];
  const note = (line: string) => void lines.push(line);
  const status = { leaderId: "n1", term: 3, commitIndex: 5, appliedIndex: 5 } as RaftStatus;
  const one = new SnapshotReceiver({
    id: "n2",
    machine: new StateMachine(),
    store,
    clock,
    logger: { info: () => {}, warn: note, error: note },
    status: () => status,
    send: (message) => void sent.push(message),
    step: ({ lastIndex }) => void stepped.push(lastIndex),
  });
  return { one, disk, store, clock, sent, lines, stepped };
}

Deno.test("what is sound as a file and no state is refused, with one line, and not taken again", () => {
  const { one, disk, store, clock, sent, lines } = receiver();
  const { snapshot, bytes } = snapshotElsewhere(9, 2);
  const { index, checksum } = snapshot;
  const offer = () => one.offered({ ...FROM_LEADER, type: "snapshotOffer", snapshot });
  const send = () =>
    one.chunk({ ...FROM_LEADER, type: "snapshotChunk", index, checksum, offset: 0, bytes });
  offer();
  assertEquals(sent.splice(0).length, 1);
  send();
  send();
  offer();
  assertEquals([sent, lines.length, store.newest(), disk.list("snapshots")], [[], 1, null, []]);
  clock.advance(11_000);
  offer();
  assertEquals(sent.length, 1);
});

Deno.test("only the leader of this term is listened to, and only bytes that come next are taken", () => {
  const { one, sent, disk } = receiver();
  const { snapshot, bytes } = snapshotElsewhere(9, 2);
  const { index, checksum } = snapshot;
  const chunk = { ...FROM_LEADER, type: "snapshotChunk", index, checksum } as const;
  one.offered({ ...FROM_LEADER, from: "n3", type: "snapshotOffer", snapshot });
  one.offered({ ...FROM_LEADER, term: 2, type: "snapshotOffer", snapshot });
  one.chunk({ ...chunk, offset: 0, bytes });
  assertEquals([sent, disk.list("snapshots")], [[], []]);
  one.offered({ ...FROM_LEADER, type: "snapshotOffer", snapshot });
  one.chunk({ ...chunk, offset: 0, bytes: bytes.subarray(0, 10) });
  one.chunk({ ...chunk, offset: 0, bytes: bytes.subarray(0, 10) });
  one.chunk({ ...chunk, offset: 20, bytes: bytes.subarray(20, 30) });
  one.chunk({ ...chunk, checksum: checksum ^ 1, offset: 10, bytes: bytes.subarray(10, 20) });
  one.chunk({ ...chunk, from: "n3", offset: 10, bytes: bytes.subarray(10, 20) });
  one.offered({ ...FROM_LEADER, type: "snapshotOffer", snapshot });
  const told = sent.map((reply) => reply.type === "snapshotReply" ? reply.offset : -1);
  assertEquals(told, [0, 10, 10, 10, 10]);
});

Deno.test("what is committed here already needs no stream: the core answers", () => {
  const { one, sent, stepped } = receiver();
  const { snapshot } = snapshotElsewhere(5, 2);
  one.offered({ ...FROM_LEADER, type: "snapshotOffer", snapshot });
  assert(sent.length === 0);
  assertEquals(stepped, [5]);
});
