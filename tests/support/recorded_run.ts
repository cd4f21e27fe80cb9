import { assert, assertEquals } from "@std/assert";
import { type DataDirectory, openDataDirectory } from "../../src/node/log/data_directory.ts";
import type { LogEntry } from "../../src/node/log/entry.ts";
import type { HardState } from "../../src/raft/types.ts";
import { type DiskFault, type DiskOperation, FaultDisk } from "./fault_disk.ts";
import { contentOf, entriesOf } from "./log_entries.ts";
import { type Append, type LogStates, statesOf } from "./log_states.ts";
import { EVERYTHING_LOST } from "./power_loss.ts";
import { imageOf } from "./power_loss_outcomes.ts";

export type Step =
  | Append
  /** Ends the oldest sync in flight. */
  | "syncEnds"
  /** All of them end, and those that begin meanwhile. */
  | "allSyncsEnd"
  /** The process ends and the next one opens the directory; the power stays on. */
  | "restart";

export type Fault = (operation: DiskOperation) => DiskFault | null;

/** How far a run came. */
export interface Played {
  readonly disk: FaultDisk;
  /** Number of appends started, and of those reported as durable. */
  readonly begun: number;
  readonly acknowledged: number;
  /** What ended the run early. */
  readonly failure: Error | null;
}

export const append = (hardState: HardState | null, entries: readonly LogEntry[] = []): Append => ({
  hardState,
  entries,
});

/**
 * A node's life on its data directory, from the very first start, as a list of steps that can be
 * played again and again with another fault, and the judgement of what is found afterwards.
 */
export class RecordedRun {
  readonly #steps: readonly Step[];
  readonly #segmentBytesMax: number;
  readonly #states: LogStates;
  readonly #texts: readonly string[];
  /** What a start has made of a disk, when it was found that one can go on from there. */
  readonly #goodStarts = new Set<string>();

  /** @param segmentBytesMax so small that a few entries fill a segment */
  constructor(steps: readonly Step[], segmentBytesMax: number) {
    this.#steps = steps;
    this.#segmentBytesMax = segmentBytesMax;
    this.#states = statesOf(steps.filter((step) => typeof step !== "string"));
    this.#texts = this.#states.states.map((state) => JSON.stringify(state));
  }

  /**
   * Executes the steps until they end or the disk fails, and leaves syncs in flight as they are.
   */
  play(fault: Fault): Played {
    let running: (() => void)[] = [];
    const disk = new FaultDisk({ fault, schedule: (run) => running.push(run) });
    const played = { disk, begun: 0, acknowledged: 0, failure: null as Error | null };
    const open = () => this.#open(disk, (error) => played.failure = error).log;
    try {
      let log = open();
      for (const step of this.#steps) {
        if (step === "syncEnds") running.shift()?.();
        else if (step === "allSyncsEnd") {
          while (running.length > 0) running.shift()?.();
        } else if (step === "restart") {
          log.close();
          running = [];
          log = open();
          // What the node has read from its log it builds upon.
          played.acknowledged = played.begun;
        } else {
          const number = ++played.begun;
          log.append(step.hardState, step.entries, () => {
            assertEquals(played.acknowledged, number - 1, "acknowledged out of order");
            played.acknowledged = number;
          });
        }
        if (played.failure !== null) break;
      }
    } catch (error) {
      played.failure = error as Error;
    }
    return played;
  }

  /** The minimum state that a node must find after N appends. */
  #isPossible(text: string, { acknowledged, begun }: Played): boolean {
    const { complete } = this.#states;
    return this.#texts.slice(complete[acknowledged], (complete[begun] ?? 0) + 1).includes(text);
  }

  /**
   * Opens the directory and checks that it holds all that was acknowledged and nothing that never
   * was, that this is durable now, and that what is written behind it is read again.
   */
  assertRecovers(disk: FaultDisk, played: Played, hint: () => string): void {
    const log = this.#reopen(disk, hint);
    const found = contentOf(log);
    const text = JSON.stringify(found);
    if (!this.#isPossible(text, played)) {
      assert(false, `${hint()}: ${played.acknowledged} of ${played.begun} acknowledged: ${text}`);
    }
    this.#assertHardState(found.hardState, played, hint);
    const shown = disk.afterCrash(EVERYTHING_LOST, SYNCS_AT_ONCE);
    const start = `${text}\n${imageOf(disk)}\n${imageOf(shown)}`;
    if (this.#goodStarts.has(start)) return;
    assertSame(text, contentOf(this.#reopen(shown, hint)), () => `${hint()}, then the power`);

    const term = found.hardState.term + 1;
    const from = log.lastIndex() + 1;
    log.append({ term, vote: null }, entriesOf(from, from + 1, term, 60), () => {});
    const grown = JSON.stringify(contentOf(log));
    log.close();
    const after = disk.afterCrash(EVERYTHING_LOST, SYNCS_AT_ONCE);
    assertSame(grown, contentOf(this.#reopen(after, hint)), () => `${hint()}, then more written`);
    this.#goodStarts.add(start);
  }

  /** Opens and closes; an error of the disk is thrown, or handed on. */
  openAndClose(disk: FaultDisk): void {
    this.#open(disk, (error) => {
      throw error;
    }).log.close();
  }

  /** The term never goes back, nor does a vote change within a term. */
  #assertHardState(found: HardState, { acknowledged }: Played, hint: () => string): void {
    const { states, complete } = this.#states;
    const { term, vote } = states[complete[acknowledged] ?? 0]?.hardState ?? found;
    const isKept = found.term > term ||
      (found.term === term && (vote === null || found.vote === vote));
    if (!isKept) assert(false, `${hint()}: ${JSON.stringify({ term, vote, found })}`);
  }

  #reopen(disk: FaultDisk, hint: () => string): DataDirectory["log"] {
    try {
      return this.#open(disk, (error) => {
        throw error;
      }).log;
    } catch (error) {
      throw new Error(`${hint()}: the node does not start: ${(error as Error).message}`);
    }
  }

  #open(disk: FaultDisk, onFailure: (error: Error) => void): DataDirectory {
    return openDataDirectory(disk, {
      nodeId: "n1",
      nonce: "nonce",
      clusterId: "c1",
      members: new Map([["n1", "127.0.0.1:7001"]]),
      segmentBytesMax: this.#segmentBytesMax,
      onFailure,
    });
  }
}

/** For disks on which no sync may be in flight. */
export const SYNCS_AT_ONCE = { schedule: (run: () => void) => run() };

function assertSame(expected: string, found: unknown, hint: () => string): void {
  const text = JSON.stringify(found);
  if (text !== expected) assertEquals(text, expected, hint());
}
