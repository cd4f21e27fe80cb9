import type { Random } from "../base/random.ts";
import type { Configuration, ConfigurationAt, HardState, LogReader, NodeId } from "./types.ts";

/** What a core needs to start, be it for the first time or after a restart. */
export interface RaftOptions<T> {
  readonly id: NodeId;
  /**
   * In ascending order. First what held at `appliedIndex` or before it: the newest snapshot's, or
   * the founding one at index 0, the same on every founder; it is empty, without voters, on a node
   * that is to join and knows nothing. Then those of later entries in the log.
   */
  readonly configurations: readonly ConfigurationAt[];
  /** The configuration that a proposal holds; `null` for all others. */
  readonly configurationOf: (data: T) => Configuration | null;
  /**
   * What the state machine holds at the start: that of the newest snapshot.
   *
   * @default {firstIndex() - 1 of the log}
   */
  readonly appliedIndex?: number;
  /** As it was last made durable; term 0 without a vote on a new node. */
  readonly hardState: HardState;
  /** Holds what is durable; the core trusts all of it. */
  readonly log: LogReader<T>;
  /** For election timeouts and for the ids of reads; must differ from one life of a node to the next. */
  readonly random: Random;
  /**
   * The shortest time without a leader after which a node stands. A leader may lack its majority for
   * twice as long: stepping down early helps nobody, since reads are confirmed and writes committed
   * by a majority anyway, and on a busy machine answers are late.
   */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /**
   * How soon the node stands when there is no leader, drawn anew for each term:
   * `eager` 1–1.25 times `electionTicks`, `normal` 1–2 times, `reluctant` 2–3 times.
   *
   * @default {"normal"}
   */
  readonly standing?: Standing;
  /** About how many bytes a proposal takes on the wire. */
  readonly sizeOf: (data: T) => number;
  /**
   * Of the entries in one append request, which has at least one all the same.
   *
   * @default {1 MiB}
   */
  readonly appendBytesMax?: number;
  /**
   * Append requests under way to one peer.
   *
   * @default {256}
   */
  readonly inflightMax?: number;
  /**
   * Bytes under way to one peer: no further append request is sent at or above it.
   *
   * @default {8 MiB}
   */
  readonly inflightBytesMax?: number;
  /**
   * Durable entries that stay in memory for peers and the state machine.
   *
   * @default {16 MiB}
   */
  readonly cacheBytesMax?: number;
  /**
   * Committed entries in one Ready, which has at least one all the same.
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

/** Where the state machine and the configurations stand must be in, or right before, the log. */
function checkPlaces<T>(options: Required<RaftOptions<T>>): void {
  const { appliedIndex, log, configurations } = options;
  if (!(appliedIndex >= log.firstIndex() - 1 && appliedIndex <= log.lastIndex())) {
    throw new RangeError(
      `Cannot use appliedIndex outside the log's ${log.firstIndex() - 1} to ${log.lastIndex()}: ` +
        `current value is ${appliedIndex}`,
    );
  }
  const indexes = configurations.map(({ index }) => index);
  const isAscending = indexes.every((index, i) => i === 0 || index > (indexes[i - 1] ?? index));
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
 * An election timeout in ticks, drawn from the range of `standing`. One tick more than the range
 * says: when the first node stands, the ticks of the others, which may lag by one, must have ended
 * their patience too, or they ignore it.
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
