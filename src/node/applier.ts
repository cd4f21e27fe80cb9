import { assert } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import type { StateMachine } from "../commands/state_machine.ts";
import { lookup } from "../commands/table.ts";
import type { Clock } from "./clock.ts";
import type { LogEntry } from "./entry.ts";
import type { Proposals } from "./proposals.ts";
import type { ReadQueue } from "./read_queue.ts";
import type { Request } from "./request.ts";
import type { SnapshotMeta } from "./snapshots/snapshot.ts";
import type { Received } from "./snapshots/snapshot_receiver.ts";

export interface ApplierOptions {
  readonly machine: StateMachine;
  readonly proposals: Proposals;
  readonly reads: ReadQueue;
  readonly clock: Clock;
  /** For the reads that need it. */
  readonly random: Random;
  /** The last entry that the machine holds at the start. */
  readonly start: Place;
}

/** A place in the log. */
type Place = Pick<SnapshotMeta, "index" | "term">;

/** Carries out on the state what the log says, and answers this node's clients from it. */
export class Applier {
  readonly #options: ApplierOptions;
  #last: Place;

  constructor(options: ApplierOptions) {
    this.#options = options;
    this.#last = options.start;
  }

  /** The last entry that is in the state. */
  get last(): Place {
    return this.#last;
  }

  apply(entry: LogEntry): void {
    assert(entry.index === this.#last.index + 1, `entry ${entry.index} is not next`);
    this.#last = { index: entry.index, term: entry.term };
    const { machine, proposals, reads } = this.#options;
    const proposal = proposals.decidedBy(entry);
    const batch = entry.data;
    if (proposal !== null) {
      for (const request of reads.takeBefore(proposal.sequence)) this.answer(request);
    }
    if (batch === null) return;
    if (proposal === null) {
      applyTo(machine, entry);
    } else {
      machine.advanceTime(batch.timeMs);
      for (const request of proposal.requests) this.answer(request);
    }
    batch.forgetCommands();
  }

  /** Puts a snapshot's state in the place of all that was applied. */
  restore({ snapshot, loader }: Received): void {
    this.#options.proposals.passOver(snapshot.index);
    this.#options.machine.restore(loader);
    this.#last = { index: snapshot.index, term: snapshot.term };
  }

  answer(request: Request): void {
    const { machine, clock, random } = this.#options;
    const nowMs = request.isWrite ? machine.timeMs : Math.max(machine.timeMs, clock.nowMs());
    const { command, args } = request;
    request.settle(machine.execute(command, args, nowMs, random));
  }
}

/** Carries out an entry that nobody waits for. */
export function applyTo(machine: StateMachine, { index, data }: LogEntry): void {
  if (data === null) return;
  machine.advanceTime(data.timeMs);
  for (const args of data.commands) {
    const command = lookup(args[0] ?? "");
    assert(command !== undefined, `entry ${index} holds an unknown command ${args[0]}`);
    machine.execute(command, args, machine.timeMs);
  }
}
