import type { Random } from "../base/random.ts";
import type { Configuration, ConfigurationAt, HardState, LogReader, NodeId } from "./types.ts";

/** What a core needs to start, for the first time or after a restart. */
export interface RaftOptions<T> {
  readonly id: NodeId;
  /**
   * In ascending order. The first is the one in effect at `appliedIndex`: that of the newest
   * snapshot, or the founding one at index 0, which is the same on every founder. A node that is to
   * join and knows none yet has an empty one, without voters. The configurations of later entries
   * in the log follow.
   */
  readonly configurations: readonly ConfigurationAt[];
  /** The configuration that a proposal holds; `null` for every other proposal. */
  readonly configurationOf: (data: T) => Configuration | null;
  /**
   * Index of the last entry that the state machine holds at the start: that of the newest snapshot.
   *
   * @default {firstIndex() - 1 of the log}
   */
  readonly appliedIndex?: number;
  /** The hard state that was last made durable; term 0 without a vote on a new node. */
  readonly hardState: HardState;
  /** Holds what is durable; the core trusts all of it. */
  readonly log: LogReader<T>;
  /** For election timeouts and the ids of reads. Must differ from one run of a node to the next. */
  readonly random: Random;
  /**
   * The shortest time in ticks without a leader after which a node stands for election. A leader
   * may go without its majority for twice as long. To step down early helps nobody: reads and
   * writes need a majority anyway, and answers are late on a busy machine.
   */
  readonly electionTicks: number;
  /** Ticks between the regular heartbeats of a leader. */
  readonly heartbeatTicks: number;
  /**
   * How soon the node stands for election when there is no leader. The election timeout is drawn
   * anew for each term: `eager` 1–1.25 times `electionTicks`, `normal` 1–2 times, `reluctant` 2–3
   * times.
   *
   * @default {"normal"}
   */
  readonly standing?: Standing;
  /** Approximate size of a proposal on the wire, in bytes. */
  readonly sizeOf: (data: T) => number;
  /**
   * Maximum number of bytes of entries in one append request. A larger entry is sent alone.
   *
   * @default {1 MiB}
   */
  readonly appendBytesMax?: number;
  /**
   * Maximum number of append requests in flight to one peer.
   *
   * @default {256}
   */
  readonly inflightMax?: number;
  /**
   * Bytes in flight to one peer at or above which no further append request is sent to it.
   *
   * @default {8 MiB}
   */
  readonly inflightBytesMax?: number;
  /**
   * Maximum number of bytes of durable entries in memory, for peers and the state machine.
   *
   * @default {16 MiB}
   */
  readonly cacheBytesMax?: number;
  /**
   * Maximum number of bytes of committed entries in one Ready. A larger entry comes alone.
   *
   * @default {4 MiB}
   */
  readonly committedBytesMax?: number;
}

export type Standing = "eager" | "normal" | "reluctant";

const MIB = 1024 * 1024;

/**
 * The options with their defaults.
 *
 * @throws {RangeError} when a value makes no sense
 */
export function completeOptions<T>(options: RaftOptions<T>): Required<RaftOptions<T>> {
  const complete = {
    standing: "normal" as const,
    appendBytesMax: MIB,
    inflightMax: 256,
    inflightBytesMax: 8 * MIB,
    cacheBytesMax: 16 * MIB,
    committedBytesMax: 4 * MIB,
    appliedIndex: options.log.firstIndex() - 1,
    ...options,
  };
  for (
    const name of [
      "electionTicks",
      "heartbeatTicks",
      "appendBytesMax",
      "inflightMax",
      "inflightBytesMax",
      "committedBytesMax",
    ] as const
  ) {
    if (!Number.isSafeInteger(complete[name]) || complete[name] < 1) {
      throw new RangeError(`Cannot use ${name}: current value is ${complete[name]}`);
    }
  }
  if (complete.heartbeatTicks >= complete.electionTicks) {
    throw new RangeError(
      `Cannot use heartbeatTicks, which must be below electionTicks ${complete.electionTicks}: ` +
        `current value is ${complete.heartbeatTicks}`,
    );
  }
  checkPlaces(complete);
  return complete;
}

/** The applied index and the configurations must be in the log, or right before it. */
function checkPlaces<T>(options: Required<RaftOptions<T>>): void {
  const { appliedIndex, log, configurations } = options;
  if (!(appliedIndex >= log.firstIndex() - 1 && appliedIndex <= log.lastIndex())) {
    throw new RangeError(
      `Cannot use appliedIndex outside the log's ${log.firstIndex() - 1} to ${log.lastIndex()}: ` +
        `current value is ${appliedIndex}`,
    );
  }
  const indexes = configurations.map(({ index }) => index);
  const isAscending = indexes.every((index, i) => index > (indexes[i - 1] ?? -1));
  const isInPlace = (indexes[0] ?? Infinity) <= appliedIndex &&
    (indexes.at(-1) ?? Infinity) <= log.lastIndex();
  if (!isAscending || !isInPlace) {
    throw new RangeError(
      `Cannot use configurations that do not ascend from ${appliedIndex} or below to ` +
        `${log.lastIndex()} or below: current value is ${indexes}`,
    );
  }
}

/**
 * An election timeout in ticks, drawn from the range of `standing`, plus one tick. When the first
 * node stands, the others ignore it unless they have stopped hearing the leader too, and their
 * ticks may lag by one.
 */
export function drawElectionTimeout(
  electionTicks: number,
  standing: Standing,
  random: Random,
): number {
  const [from, width] = { eager: [1, 0.25], normal: [1, 1], reluctant: [2, 1] }[standing] as [
    number,
    number,
  ];
  return Math.floor(electionTicks * (from + width * random())) + 1;
}
