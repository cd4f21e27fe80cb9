import { assert } from "../../base/assert.ts";
import { type Random, seededRandom } from "../../base/random.ts";
import {
  type Entry,
  type Message,
  type NodeId,
  Raft,
  type RaftOptions,
  type Ready,
} from "../mod.ts";
import { TestLog } from "./test_log.ts";

export type TestMessage = Message<string>;
export type TestEntry = Entry<string>;

/** What a node does, as seen from outside. */
export interface TestNodeEvents {
  send(message: TestMessage): void;
  write?(node: TestNode, entries: readonly TestEntry[]): void;
  apply?(node: TestNode, entry: TestEntry): void;
  /** `index` is `null` when the read was refused. */
  read?(node: TestNode, readId: number, index: number | null): void;
}

export type TestOptions = Partial<
  Omit<RaftOptions<string>, "id" | "configurations" | "hardState" | "log" | "appliedIndex">
>;

/** A core with the simplest driver that keeps the contract of `Ready`. */
export class TestNode {
  readonly id: NodeId;
  readonly log: TestLog;
  raft: Raft<string>;
  isUp = true;
  readonly #newRaft: () => Raft<string>;
  readonly #events: TestNodeEvents;
  readonly #underWay: Ready<string>[] = [];

  constructor(
    id: NodeId,
    voters: readonly NodeId[],
    events: TestNodeEvents,
    options: TestOptions = {},
    log = new TestLog(),
  ) {
    this.id = id;
    this.log = log;
    this.#events = events;
    const random: Random = options.random ?? seededRandom(voters.indexOf(id) + 1);
    this.#newRaft = () =>
      new Raft({
        electionTicks: 10,
        heartbeatTicks: 2,
        sizeOf: (data) => data.length,
        ...options,
        id,
        configurations: [{ index: 0, configuration: { voters, learners: [] } }],
        configurationOf: () => null,
        log,
        hardState: log.hardState,
        random,
      });
    this.raft = this.#newRaft();
  }

  /** How many Readys wait for their write. */
  get underWayCount(): number {
    return this.#underWay.length;
  }

  /** Takes what is ready and does all of it that need not wait for the disk. */
  pump(): void {
    while (this.isUp && this.raft.hasReady()) this.write(this.raft.ready());
  }

  /** Steps 1 to 3 of the contract. */
  write(ready: Ready<string>): void {
    for (const message of ready.messages) this.#events.send(message);
    this.log.write(ready);
    this.#events.write?.(this, ready.entries);
    this.#underWay.push(ready);
    for (const entry of ready.committed) this.#events.apply?.(this, entry);
    for (const { readId, index } of ready.reads) this.#events.read?.(this, readId, index);
    for (const readId of ready.refusedReads) this.#events.read?.(this, readId, null);
  }

  /** Step 4 for the oldest write under way. */
  persistNext(): void {
    const ready = this.#underWay.shift();
    assert(ready !== undefined, "no Ready is under way");
    this.log.persistNext();
    this.raft.advance(ready);
    for (const message of ready.messagesAfterPersist) this.#events.send(message);
  }

  /** Runs until nothing is left to do without new input. */
  settle(): void {
    this.pump();
    while (this.#underWay.length > 0) {
      this.persistNext();
      this.pump();
    }
  }

  /** @param survivingWrites how many writes under way reach the disk, though nobody is told */
  crash(survivingWrites = 0): void {
    for (let i = 0; i < survivingWrites; i++) this.log.persistNext();
    this.log.crash();
    this.#underWay.length = 0;
    this.isUp = false;
  }

  restart(): void {
    assert(!this.isUp, `node ${this.id} runs`);
    this.raft = this.#newRaft();
    this.isUp = true;
  }
}
