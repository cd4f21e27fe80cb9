import type { Arguments } from "../../base/byte_string.ts";
import { assert } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { Slices } from "../../commands/command.ts";
import type { StateMachine } from "../../commands/state_machine.ts";
import { rowOf } from "../../commands/table.ts";
import type { Commands, LogEntry } from "../log/entry.ts";
import { unsupportedVersion } from "../members/versions.ts";
import type { SnapshotMeta } from "../snapshots/snapshot.ts";
import type { Received } from "../snapshots/snapshot_receiver.ts";
import { LONG_STEP, type TurnBudget } from "../ticker.ts";
import { type Proposals, settleUnknown } from "./proposals.ts";
import type { ReadQueue } from "./reads.ts";
import { LEADER_CHANGED, type Request } from "./request.ts";

export interface ApplierOptions {
  readonly machine: StateMachine;
  readonly proposals: Proposals;
  readonly reads: ReadQueue;
  /** The log's current time, in milliseconds since the Unix epoch. */
  readonly nowMs: () => number;
  /** For reads that return random keys. */
  readonly random: Random;
  /** The last entry that the machine holds at the start. */
  readonly start: Place;
  /** Bounds the work per turn. */
  readonly budget: TurnBudget;
  /** Called when an entry is fully applied. */
  readonly onApplied?: (entry: LogEntry) => void;
}

/** A position in the log. */
type Place = Pick<SnapshotMeta, "index" | "term">;

/** One entry, or a group of reads. Nothing else sees it half done. */
interface Work {
  /** The entry that this work applies; `null` for reads. */
  readonly entry: LogEntry | null;
  /** The client requests to answer; `null` when no client of this node waits. */
  readonly requests: readonly Request[] | null;
  /** The commands to execute when no client of this node waits. */
  readonly commands: Commands;
  /** Number of requests or commands done. */
  done: number;
}

const NO_COMMANDS: Commands = [];

/**
 * Applies committed entries to the state machine, and answers this node's clients, in the order of
 * the log. A long request runs in slices, over several turns of the event loop. An entry counts as
 * applied after its last slice, and no read or later entry runs in between. The exception is a read
 * that answers from a view of the state: it runs concurrently with other work.
 */
export class Applier {
  readonly #options: ApplierOptions;
  readonly #budget: TurnBudget;
  #last: Place;
  /** Queued work. The first item is in progress. */
  #works: Work[] = [];
  /** The slices left of the request or command in progress; `null` between two of them. */
  #slices: Slices | null = null;
  /** Reads in progress that answer from a view of the state. */
  #concurrentReads: { readonly slices: Slices; readonly request: Request }[] = [];
  /** The log's time for the reads of this turn; `null` before the first of them. */
  #readMs: number | null = null;

  constructor(options: ApplierOptions) {
    this.#options = options;
    this.#budget = options.budget;
    this.#last = options.start;
  }

  /** The last entry in the state. */
  get last(): Place {
    return this.#last;
  }

  /** Whether work is in progress that nothing else may overtake. */
  get isBusy(): boolean {
    return this.#works.length > 0;
  }

  /** Whether any work is left. */
  get hasWork(): boolean {
    return this.#works.length > 0 || this.#concurrentReads.length > 0;
  }

  /**
   * Why this build cannot apply an entry; `null` when it can. The version is checked first, since
   * everything else in the entry depends on it.
   */
  refusal({ index, data }: LogEntry): string | null {
    if (data?.machineVersion === undefined || data.machineVersion === null) return null;
    const why = unsupportedVersion(this.#options.machine.versions, data.machineVersion);
    return why === null ? null : `Cannot apply entry ${index}: ${why}`;
  }

  /** Starts to apply the next entry. Must not be called while `isBusy`. */
  apply(entry: LogEntry): void {
    assert(!this.isBusy, "Cannot apply an entry: an earlier one is in progress");
    assert(entry.index === this.#last.index + 1, `entry ${entry.index} is not next`);
    const { proposals, reads } = this.#options;
    const proposal = proposals.takeFor(entry);
    if (proposal !== null) {
      const before = reads.takeBefore(proposal.sequence);
      if (before.length > 0) this.#add(null, before, NO_COMMANDS);
    }
    const hasRequests = proposal !== null && proposal.requests.length > 0;
    const commands = hasRequests ? NO_COMMANDS : entry.data?.commands ?? NO_COMMANDS;
    this.#add(entry, hasRequests ? proposal.requests : null, commands);
    this.continueWork();
  }

  /** Starts to execute reads on the current state. Must not be called while `isBusy`. */
  executeReads(requests: readonly Request[]): void {
    assert(!this.isBusy, "Cannot answer reads: an entry is in progress");
    this.#add(null, requests, NO_COMMANDS);
    this.continueWork();
  }

  /** Continues the work in progress, as far as the turn's budget allows. */
  continueWork(): void {
    for (let work = this.#works[0]; work !== undefined; work = this.#works[0]) {
      if (!this.#runWork(work)) return;
      this.#works.shift();
      if (work.entry !== null) this.#finish(work.entry);
    }
  }

  /** Continues the reads that run concurrently with other work. */
  continueConcurrentReads(): void {
    for (
      let next = this.#concurrentReads.shift();
      next !== undefined;
      next = this.#concurrentReads.shift()
    ) {
      const { slices, request } = next;
      if (request.sink.isGone === true) {
        slices.stop();
        continue;
      }
      try {
        const reply = slices.next();
        if (reply === undefined) this.#concurrentReads.push(next);
        else request.settle(reply);
      } catch (error) {
        request.fail(error);
      }
      if (!this.#budget.spend(LONG_STEP)) return;
    }
  }

  /** Replaces the state by a snapshot's. */
  restore({ snapshot, loader }: Received): void {
    this.giveUp();
    const { proposals, reads } = this.#options;
    const lastCovered = proposals.settleCovered(snapshot.index);
    // These reads precede writes that the snapshot may contain.
    for (const request of reads.takeBefore(lastCovered)) request.settle(LEADER_CHANGED);
    this.#options.machine.restore(loader, snapshot.machineVersion);
    this.#last = { index: snapshot.index, term: snapshot.term };
  }

  /** Drops the work in progress. The outcome of its requests is unknown. */
  giveUp(): void {
    this.#slices?.stop();
    this.#slices = null;
    const works = this.#works;
    this.#works = [];
    for (const { requests, done } of works) settleUnknown(requests?.slice(done) ?? []);
    const concurrentReads = this.#concurrentReads;
    this.#concurrentReads = [];
    for (const { slices, request } of concurrentReads) {
      slices.stop();
      settleUnknown([request]);
    }
  }

  #add(entry: LogEntry | null, requests: readonly Request[] | null, commands: Commands): void {
    this.#works.push({ entry, requests, commands, done: 0 });
  }

  /** Returns false when the turn's budget runs out before the work is done. */
  #runWork(work: Work): boolean {
    const { entry, requests, commands } = work;
    const budget = this.#budget;
    if (!budget.isLeft) return false;
    this.#readMs = null;
    const isBegun = work.done > 0 || this.#slices !== null;
    const timeMs = entry?.data?.timeMs;
    if (!isBegun && timeMs !== undefined) {
      const { machine } = this.#options;
      const before = machine.keyspace.expiredCount;
      machine.advanceTime(timeMs);
      budget.spend(1 + machine.keyspace.expiredCount - before);
      const version = entry?.data?.machineVersion ?? null;
      if (version !== null) machine.advanceVersion(version);
    }
    const count = requests?.length ?? commands.length;
    while (work.done < count) {
      const isDone = requests === null
        ? this.#executeCommand(commands[work.done] ?? [], entry?.index ?? 0)
        : this.#executeRequest(requests[work.done] as Request);
      if (isDone) work.done++;
      if (!budget.spend(isDone ? 1 : LONG_STEP) && work.done < count) return false;
    }
    return true;
  }

  #finish(entry: LogEntry): void {
    this.#last = { index: entry.index, term: entry.term };
    entry.data?.forgetCommands();
    this.#options.onApplied?.(entry);
  }

  /** Executes the request or one slice of it. Returns whether the request is done. */
  #executeRequest(request: Request): boolean {
    // A write that throws may have changed the state in part. The node must not continue with it.
    if (request.isWrite) return this.#step(request);
    try {
      return this.#step(request);
    } catch (error) {
      this.#slices = null;
      request.fail(error);
      return true;
    }
  }

  #step(request: Request): boolean {
    if (this.#slices !== null) {
      if (!request.isWrite && request.sink.isGone === true) {
        this.#slices.stop();
        this.#slices = null;
        return true;
      }
      const reply = this.#slices.next();
      if (reply === undefined) return false;
      this.#slices = null;
      request.settle(reply);
      return true;
    }
    const { machine, nowMs: logTimeMs, random } = this.#options;
    const nowMs = request.isWrite ? machine.timeMs : this.#readMs ??= logTimeMs();
    const begun = machine.begin(request.command, request.args, nowMs, random);
    if (!(begun instanceof Slices)) {
      request.settle(begun);
      return true;
    }
    if (begun.isConcurrent) this.#concurrentReads.push({ slices: begun, request });
    else this.#slices = begun;
    return begun.isConcurrent;
  }

  /** Executes a command, or one slice of it, without a reply. Returns whether it is done. */
  #executeCommand(args: Arguments, index: number): boolean {
    if (this.#slices !== null) {
      if (this.#slices.next() === undefined) return false;
      this.#slices = null;
      return true;
    }
    const { machine } = this.#options;
    const begun = machine.begin(commandOf(args, index), args, machine.timeMs);
    if (!(begun instanceof Slices)) return true;
    this.#slices = begun;
    return false;
  }
}

/** Applies a whole entry at once, without replies. */
export function applyTo(machine: StateMachine, { index, data }: LogEntry): void {
  if (data === null) return;
  machine.advanceTime(data.timeMs);
  if (data.machineVersion !== null) machine.advanceVersion(data.machineVersion);
  for (const args of data.commands) {
    machine.execute(commandOf(args, index), args, machine.timeMs);
  }
}

function commandOf(args: Arguments, index: number) {
  const command = rowOf(args);
  assert(command !== undefined, `entry ${index} holds an unknown command ${args[0]}`);
  return command;
}
