import { assert, assertEquals } from "@std/assert";
import { latin1Bytes } from "../../../src/base/bytes.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { type Random, seededRandom } from "../../../src/base/random.ts";
import { StateMachine } from "../../../src/commands/state_machine.ts";
import type { BuildVersions } from "../../../src/node/members/versions.ts";
import { Node } from "../../../src/node/node.ts";
import { isRaftMessage, type PeerMessage } from "../../../src/node/peers/peer_message.ts";
import { type PeerHandler, PeerTransport } from "../../../src/node/peers/transport.ts";
import type { Address, Stream } from "../../../src/platform/network.ts";
import { isPossible } from "../../../src/raft/message_guard.ts";
import { contentOf, entriesOf } from "../../support/log_entries.ts";
import { ManualClock } from "../../support/node/manual_clock.ts";
import { MemoryLog } from "../../support/node/memory_log.ts";
import { MemoryNetwork } from "../../support/node/memory_network.ts";
import { chunksOf } from "../chunks.ts";
import { choiceSeed, type FuzzTarget } from "../fuzz_target.ts";
import { describeKeyspace } from "./commands.ts";
import { connectionText, FRAME_WORDS, framed, helloText, payloadsOf } from "./frames.ts";

const ADDRESS = { host: "memory", port: 17001 };
const COMMITTED = 5;

/**
 * A whole follower in term 3 with six entries, five of them committed. The input comes from a
 * connection that claims to be its member n3. The follower never fails. Refused input changes
 * nothing. Accepted input never undoes a vote or what is committed. The leader is still heard as
 * long as it is a member.
 */
export const node: FuzzTarget = {
  name: "node",
  words: FRAME_WORDS,
  sample: (random: Random) => connectionText(random),
  run(input) {
    const follower = new FuzzedFollower();
    const before = follower.state();
    const stranger = follower.connect();
    for (const chunk of chunksOf(input, seededRandom(choiceSeed(input)), 40)) stranger.write(chunk);
    follower.clock.advance(5);
    const after = follower.state();
    const { taken } = follower;
    if (!taken.some((message) => !isRaftMessage(message) || isPossible(message))) {
      assertEquals(after, before, "refused input changed the state");
    }
    assertNothingUndone(before, after);
    if (after.members.includes("n2")) follower.hearLeader();
    follower.stop();
  },
};

interface State {
  readonly term: number;
  readonly vote: string | null;
  readonly commitIndex: number;
  readonly entries: readonly string[];
  readonly keyspace: readonly string[];
  readonly members: readonly string[];
}

function assertNothingUndone(before: State, after: State): void {
  assert(after.term >= before.term, "the term went back");
  if (after.term === before.term && before.vote !== null) assertEquals(after.vote, before.vote);
  assert(after.commitIndex >= before.commitIndex, "the commit index went back");
  const committed = before.entries.slice(0, before.commitIndex);
  assertEquals(after.entries.slice(0, before.commitIndex), committed, "a committed entry changed");
}

/** One node and the two connections to it. */
class FuzzedFollower implements PeerHandler {
  readonly clock = new ManualClock();
  readonly taken: PeerMessage[] = [];
  readonly #network = new MemoryNetwork(this.clock);
  readonly #log = new MemoryLog();
  readonly #machine = new StateMachine();
  readonly #node: Node;
  readonly #leader: Stream;
  #leaderHeard = 0;
  /** Only the leader's connection sends messages. */
  #isLeaderSpeaking = false;

  constructor() {
    this.#log.append({ term: 3, vote: "n2" }, entriesOf(1, 6, 3), () => {});
    const common = {
      id: "n1",
      clientAddress: { host: "memory", port: 7001 },
      clock: this.clock,
      random: seededRandom(1),
      logger: silentLogger,
    };
    const peers = new Map([["n2", { host: "memory", port: 17002 }], [
      "n3",
      { host: "memory", port: 17003 },
    ]]);
    this.#node = new Node({
      ...common,
      incarnation: "of n1",
      founders: new Map(["n1", "n2", "n3"].map((id) => [id, `of ${id}`])),
      members: new Map([["n1", ADDRESS], ...peers]),
      log: this.#log,
      machine: this.#machine,
    });
    const transport = new PeerTransport({
      ...common,
      clusterId: "c1",
      listen: ADDRESS,
      credentials: () => ({ incarnation: "of n1", life: "l", founders: {}, isFounded: true }),
      entryBytesMax: 4096,
      network: this.#network,
    }, this);
    transport.start(); // it listens at once; nothing here waits for its outgoing connections
    this.#node.start({
      send() {},
      flush() {},
      isConnected: () => true,
      problem: () => null,
      follow: (plan) => transport.follow(plan),
    });
    this.#leader = this.connect();
    this.#leader.write(
      latin1Bytes(framed([helloText(() => 0, { from: "n2", incarnation: "of n2" })])),
    );
    this.hearLeader();
    assertEquals([this.state().commitIndex, this.#leaderHeard], [COMMITTED, 1]);
  }

  connect(): Stream {
    const ignored = { onOpen() {}, onData() {}, onClose() {} };
    const stream = this.#network.connect(ADDRESS, ignored);
    this.clock.advance(2);
    return stream;
  }

  /** The leader of term 3 sends its heartbeat, which must arrive. */
  hearLeader(): void {
    const heard = this.#leaderHeard;
    const fields = { from: "n2", to: "n1", term: 3, commit: COMMITTED, round: 1 } as const;
    const append = payloadsOf({
      type: "append",
      ...fields,
      prevIndex: 6,
      prevTerm: 3,
      entries: [],
    });
    this.#isLeaderSpeaking = true;
    this.#leader.write(latin1Bytes(framed(append)));
    this.clock.advance(3);
    this.#isLeaderSpeaking = false;
    assertEquals(this.#leaderHeard, heard + 1, "the leader is not heard any more");
  }

  state(): State {
    const report = this.#node.report();
    const { term, commitIndex } = report;
    const members = report.members.map(({ id }) => id);
    assert(members.length > 0, "a cluster of nobody");
    const { hardState, entries } = contentOf(this.#log);
    assertEquals(hardState.term, term, "the status has a term that is not durable");
    const keyspace = describeKeyspace(this.#machine);
    return { term, vote: hardState.vote, commitIndex, entries, keyspace, members };
  }

  stop(): void {
    this.#node.stop();
  }

  // Calls from the transport.

  onMessage(message: PeerMessage): void {
    if (this.#isLeaderSpeaking) this.#leaderHeard++;
    else this.taken.push(message);
    this.#node.onMessage(message);
  }

  onUnreachable(peer: string): void {
    this.#node.onUnreachable(peer);
  }

  onAnnounced(
    peer: string,
    client: Address,
    raft: Address,
    incarnation: string,
    versions: BuildVersions,
  ): void {
    for (const { host, port } of [client, raft]) {
      assert(/^[\w.:-]+$/.test(host) && port <= 65_535, "not the address of a member");
    }
    this.#node.onAnnounced(peer, client, raft, incarnation, versions);
  }

  onRemoved(): void {
    this.#node.onRemoved();
  }

  onRefused(by: string, why: "stranger" | "copy", at: Address | null): void {
    this.#node.onRefused(by, why, at);
  }
}
