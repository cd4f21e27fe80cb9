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
  /** All syncs end, including those that begin meanwhile. */
  | "allSyncsEnd"
  /** The process ends and the next one opens the directory; the power stays on. */
  | "restart";

export type Fault = (operation: DiskOperation) => DiskFault | null;

/** How far a run came before it ended. */
export interface Played {
  readonly disk: FaultDisk;
  /** Number of appends started, and of those reported as durable. */
  readonly begun: number;
  readonly acknowledged: number;
  /** The error that ended the run early. */
  readonly failure: Error | null;
}

export const append = (hardState: HardState | null, entries: readonly LogEntry[] = []): Append => ({
  hardState,
  entries,
});

/**
 * A node's life on its data directory, from its first start, as a list of steps. It can be replayed
 * with other faults, and judges what a node finds afterwards.
 */
export class RecordedRun {
  readonly #steps: readonly Step[];
  readonly #segmentBytesMax: number;
  readonly #states: LogStates;
  readonly #texts: readonly string[];
  /** Disks after a start that was found to be sound. */
  readonly #goodStarts = new Set<string>();

  /** @param segmentBytesMax so small that a few entries fill a segment */
  constructor(steps: readonly Step[], segmentBytesMax: number) {
    this.#steps = steps;
    this.#segmentBytesMax = segmentBytesMax;
    this.#states = statesOf(steps.filter((step) => typeof step !== "string"));
    this.#texts = this.#states.states.map((state) => JSON.stringify(state));
  }

  /**
   * Runs the steps until they end or the disk fails, and leaves syncs in flight.
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
          // The node builds on what it has read from its log.
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

  /** Whether a node may find this after N appends: at least all that was acknowledged. */
  #isPossible(text: string, { acknowledged, begun }: Played): boolean {
    const { complete } = this.#states;
    return this.#texts.slice(complete[acknowledged], (complete[begun] ?? 0) + 1).includes(text);
  }

  /**
   * Opens the directory and checks that it holds everything acknowledged and nothing that was never
   * appended, that this is durable now, and that entries appended after it can be read back.
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

  /** Opens and closes the directory. Errors of the disk are thrown or returned. */
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

/** For disks on which every sync ends at once. */
export const SYNCS_AT_ONCE = { schedule: (run: () => void) => run() };

function assertSame(expected: string, found: unknown, hint: () => string): void {
  const text = JSON.stringify(found);
  if (text !== expected) assertEquals(text, expected, hint());
}
