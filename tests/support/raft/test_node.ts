import { assert } from "../../../src/base/errors.ts";
import { type Random, seededRandom } from "../../../src/base/random.ts";
import {
  type Configuration,
  type ConfigurationAt,
  type Entry,
  type Message,
  type NodeId,
  Raft,
  type RaftOptions,
  type Ready,
  type SnapshotWanted,
} from "../../../src/raft/mod.ts";
import { parseConfiguration } from "./configuration_text.ts";
import { TestLog, type TestSnapshot } from "./test_log.ts";

/** A whole snapshot on its way from a leader to a peer. */
export interface TestSnapshotMessage extends SnapshotWanted {
  readonly type: "snapshot";
  readonly from: NodeId;
  readonly snapshot: TestSnapshot;
}

/** The messages between nodes: the core's, and the snapshots that the drivers send. */
export type TestMessage = Message<string> | TestSnapshotMessage;
export type TestEntry = Entry<string>;

/** The actions of a node, as seen from outside. */
export interface TestNodeEvents {
  send(message: TestMessage): void;
  /** Called when the core wants a snapshot sent, and this node has none. */
  lacksSnapshot?(wanted: SnapshotWanted): void;
  /** Called right before the write. */
  write?(node: TestNode, ready: Ready<string>): void;
  apply?(node: TestNode, entry: TestEntry): void;
  /** The state machine was replaced by a snapshot. */
  restore?(node: TestNode, snapshot: TestSnapshot): void;
  /** `index` is `null` if the read was refused. */
  read?(node: TestNode, readId: number, index: number | null): void;
}

export type TestOptions = Partial<
  Omit<RaftOptions<string>, "id" | "configurations" | "hardState" | "log" | "appliedIndex">
>;

/** The configuration of a node that is about to join. */
export const NO_CONFIGURATION: Configuration = { voters: [], learners: [] };

/** A core with the simplest driver that keeps the contract of `Ready`. */
export class TestNode {
  readonly id: NodeId;
  readonly log: TestLog;
  raft: Raft<string>;
  isUp = true;
  /** The state of the state machine, as a number. */
  state = 0;
  readonly #founding: Configuration;
  readonly #newRaft: () => Raft<string>;
  readonly #events: TestNodeEvents;
  readonly #inFlight: (Ready<string> & { readonly received: TestSnapshot | null })[] = [];
  /** The states of received snapshots. */
  readonly #received = new Map<string, number>();

  constructor(
    id: NodeId,
    founding: Configuration,
    events: TestNodeEvents,
    options: TestOptions = {},
    log = new TestLog(),
  ) {
    this.id = id;
    this.log = log;
    this.#founding = founding;
    this.#events = events;
    const random: Random = options.random ?? seededRandom(Number(id));
    this.#newRaft = () =>
      new Raft({
        electionTicks: 10,
        heartbeatTicks: 2,
        sizeOf: (data) => data.length,
        ...options,
        configurationOf: parseConfiguration,
        id,
        configurations: this.#configurations(),
        appliedIndex: log.snapshot?.index ?? log.firstIndex() - 1,
        log,
        hardState: log.hardState,
        random,
      });
    this.raft = this.#newRaft();
  }

  /** Number of Readys whose write is in flight. */
  get inFlightCount(): number {
    return this.#inFlight.length;
  }

  /** The configuration in force at `index` according to the log. */
  configurationAt(index: number): Configuration {
    const before = this.#configurations().filter((configuration) => configuration.index <= index);
    return before.at(-1)?.configuration ?? NO_CONFIGURATION;
  }

  step(message: TestMessage): void {
    if (message.type === "snapshot") this.receive(message.snapshot);
    else this.raft.step(message);
  }

  /** Takes a whole snapshot, whichever leader sent it, and whoever leads by now. */
  receive({ state, ...at }: TestSnapshot): void {
    this.#received.set(`${at.index}/${at.term}`, state);
    this.raft.snapshotReceived(at);
  }

  /** Takes a Ready and does all of it that need not wait for the disk. */
  pump(): void {
    while (this.isUp && this.raft.hasReady()) this.write(this.raft.ready());
  }

  /** Steps 1 to 3 of the contract. */
  write(ready: Ready<string>): void {
    for (const message of ready.messages) this.#events.send(message);
    for (const wanted of ready.snapshotsWanted) this.#sendSnapshot(wanted);
    this.#events.write?.(this, ready);
    const received = this.#receivedOf(ready);
    this.log.write({ ...ready, snapshot: received });
    this.#inFlight.push({ ...ready, received });
    for (const entry of ready.committed) {
      this.state = nextState(this.state, entry);
      this.#events.apply?.(this, entry);
    }
    for (const { readId, index } of ready.reads) this.#events.read?.(this, readId, index);
    for (const readId of ready.refusedReads) this.#events.read?.(this, readId, null);
  }

  /** Step 4 for the oldest write in flight. */
  persistNext(): void {
    const ready = this.#inFlight.shift();
    assert(ready !== undefined, "no Ready is in flight");
    this.log.persistNext();
    if (ready.received !== null) {
      this.state = ready.received.state;
      this.#events.restore?.(this, ready.received);
    }
    this.raft.advance(ready);
    for (const message of ready.messagesAfterPersist) this.#events.send(message);
  }

  /** Runs until nothing is left to do without new input. */
  settle(): void {
    this.pump();
    while (this.#inFlight.length > 0) {
      this.persistNext();
      this.pump();
    }
  }

  /**
   * Takes a snapshot of the applied entries, and compacts the log up to `index` or the snapshot.
   *
   * @returns the snapshot, or `null` if none can be taken now
   */
  compact(index = Infinity): TestSnapshot | null {
    const { appliedIndex, durableIndex } = this.raft.status();
    const isNews = appliedIndex > (this.log.snapshot?.index ?? 0);
    if (!isNews || appliedIndex > durableIndex || appliedIndex < this.log.firstIndex()) return null;
    const configuration = this.configurationAt(appliedIndex);
    if (configuration.voters.length === 0) return null; // it would be lost to whoever gets this
    const term = this.log.term(appliedIndex);
    const snapshot = { index: appliedIndex, term, configuration, state: this.state };
    this.log.compact(snapshot, Math.min(index, appliedIndex));
    return snapshot;
  }

  /**
   * @param survivingWrites how many writes in flight reach the disk, though the core never learns
   * of it
   */
  crash(survivingWrites = 0): void {
    for (let i = 0; i < survivingWrites; i++) this.log.persistNext();
    this.log.crash();
    this.#inFlight.length = 0;
    this.#received.clear();
    this.isUp = false;
  }

  restart(): void {
    assert(!this.isUp, `node ${this.id} runs`);
    this.state = this.log.snapshot?.state ?? 0;
    this.raft = this.#newRaft();
    this.isUp = true;
  }

  /** Sends the newest snapshot that this node has. */
  #sendSnapshot(wanted: SnapshotWanted): void {
    const { id: from, log: { snapshot } } = this;
    if (snapshot === null) return this.#events.lacksSnapshot?.(wanted);
    assert(snapshot.index >= wanted.index, `no snapshot reaches ${wanted.index}`);
    this.#events.send({ type: "snapshot", from, ...wanted, snapshot });
  }

  #receivedOf({ snapshot }: Ready<string>): TestSnapshot | null {
    if (snapshot === null) return null;
    const state = this.#received.get(`${snapshot.index}/${snapshot.term}`);
    assert(state !== undefined, `nobody sent a snapshot ${snapshot.index}/${snapshot.term}`);
    return { ...snapshot, state };
  }

  #configurations(): ConfigurationAt[] {
    const base = this.log.visibleSnapshot ?? { index: 0, configuration: this.#founding };
    const result = [{ index: base.index, configuration: base.configuration }];
    for (const { index, data } of this.log.entriesAfter(base.index)) {
      const configuration = data === null ? null : parseConfiguration(data);
      if (configuration !== null) result.push({ index, configuration });
    }
    return result;
  }
}

/** The next state of the state machine. It depends on each entry and on their order. */
export function nextState(state: number, entry: TestEntry): number {
  let next = (state ^ entry.index) >>> 0;
  for (const character of `${entry.term} ${entry.data}`) {
    next = Math.imul(next ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  }
  return next;
}
