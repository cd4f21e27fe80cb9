import { type Random, randomInteger } from "../../src/base/random.ts";

/** All random numbers of a simulation. */
export interface RandomStreams {
  readonly random: Random;
  /** For faults that were added later, so that kept seeds unfold as before. */
  readonly laterRandom: Random;
}

/** How often each fault occurs and how long it lasts, drawn from the seed. Many never occur. */
export interface FaultPlan {
  readonly nodeCount: number;
  readonly proxyCount: number;
  readonly clientCount: number;
  /**
   * Raft messages travel over byte streams by the real transport, or singly, which is worse than
   * TCP.
   */
  readonly peers: "transport" | "messages";
  readonly faultsMs: number;
  /** Delay of one direction, without faults. */
  readonly delayMs: number;
  readonly jitterMs: number;
  /** Probabilities for each message, 0 … 1: */
  readonly loss: number;
  readonly repeat: number;
  /** The message takes so much longer that others overtake it. */
  readonly straggle: number;
  readonly straggleMsMax: number;
  readonly split: number;
  /** Average interval in milliseconds; `null`: never. */
  readonly every: Readonly<Record<FaultKind, number | null>>;
  readonly crashLosesPower: number;
  readonly restartMsMax: number;
  readonly pauseMsMax: number;
  readonly partitionMsMax: number;
  readonly clockRateMax: number;
  /** Whether the clocks of a majority show the right time; otherwise all of them jump. */
  readonly areClocksRight: boolean;
  /** Number of clocks that are wrong by years and jump by years, if the others are right. */
  readonly wrongClocks: number;
  /** All clocks are ahead by this much, and are corrected later. */
  readonly clocksAheadMs: number;
  readonly clockJumpMsMax: number;
  readonly laziness: number;
  readonly syncMs: number;
  readonly syncSpike: number;
  readonly syncSpikeMsMax: number;
  readonly segmentBytesMax: number;
  /** Average interval in milliseconds between changes of members; `null`: never. */
  readonly changeMembersMs: number | null;
  /**
   * Number of steps of work on the state in one turn of a node: a small number splits entries and
   * reads. It is also the number of committed entries that a node takes before it applies them.
   */
  readonly turnStepsMax: number;
  /** Growth of the log after which a snapshot is taken. */
  readonly snapshotLogBytes: number;
  readonly electionMs: number;
  readonly heartbeatMs: number;
  readonly waitMs: number;
  /**
   * Whether nodes begin with an older version of Regent, and are upgraded one by one as they
   * restart.
   */
  readonly upgrades: boolean;
  /** What becomes of the nodes outside the chosen majority when the faults end there. */
  /** How often a value is much longer than others, and how long. */
  readonly fat: number;
  readonly fatBytesMax: number;
  readonly minority: "healed" | "down" | "faulty";
}

export const FAULT_KINDS = [
  "crash",
  "crashInDisk",
  "crashAll",
  "pause",
  "partitionOne",
  "partitionHalves",
  "partitionOneWay",
  "partitionLeader",
  "leaderAsleep",
  "reset",
  "diskError",
  "diskFull",
  "slowDisk",
  "flip",
  "clockJump",
  "proxyCrash",
  "proxyPause",
  "partitionAll",
  "wipe",
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

const YEARS_MS = 3 * 365 * 24 * 3600 * 1000;

/** A quarter of the seeds is calm, a quarter moderate, and half of them brutal. */
export function drawFaultPlan(
  { random, laterRandom }: RandomStreams,
  nodeCount: number | null,
): FaultPlan {
  const between = (from: number, to: number) => from + random() * (to - from);
  const often = (share: number) => random() < share;
  const pick = <T>(...values: readonly T[]) => values[randomInteger(random, values.length)] as T;
  const severity = pick(0.15, 0.5, 1, 1);
  const seldom = (most: number) => often(0.35 + severity * 0.3) ? random() * most * severity : 0;
  const heartbeatMs = pick(50, 50, 20, 30);
  const every = (meanMs: number) =>
    often(0.15 + 0.45 * severity) ? Math.round(meanMs * between(0.4, 2) / severity) : null;
  const snapshotLogBytes = [500, 2_000, 8_000, 30_000][randomInteger(laterRandom, 4)] ?? 500;
  // As the command line starts a node, or as it may be found after an upgrade.
  const areSegmentsSmall = laterRandom() < 0.8;
  const segmentBytesMax = pick(2_000, 10_000, 60_000, 1_000_000);
  const changeMembersMs = laterRandom() < 0.3 ? Math.round(100 + laterRandom() * 900) : null;
  const areClocksRight = laterRandom() < 0.7;
  const areSomeWrong = laterRandom() < 0.6 && areClocksRight && changeMembersMs === null;
  const clocksAheadMs = laterRandom() < 0.25 && areClocksRight ? YEARS_MS : 0;
  const count = nodeCount ?? pick(3, 3, 3, 5);
  return {
    nodeCount: count,
    proxyCount: pick(1, 1, 2),
    clientCount: pick(3, 4, 5, 6),
    peers: pick("messages", "transport"),
    faultsMs: Math.round(often(0.06) ? between(7_000, 20_000) : between(2_000, 6_000)),
    delayMs: pick(0.1, 0.5, 2, 8),
    jitterMs: pick(0.1, 1, 5, 20),
    loss: seldom(0.25),
    repeat: seldom(0.2),
    straggle: seldom(0.1),
    straggleMsMax: pick(50, 400, 2_000),
    split: seldom(0.5),
    every: {
      crash: every(900),
      crashInDisk: every(1_500),
      crashAll: every(4_000),
      pause: every(1_200),
      partitionOne: every(1_500),
      partitionHalves: every(2_000),
      partitionOneWay: every(1_500),
      partitionLeader: every(1_200),
      leaderAsleep: every(1_500),
      reset: every(500),
      diskError: every(2_500),
      diskFull: every(5_000),
      slowDisk: every(2_000),
      // A member that leaves takes a sound disk away.
      flip: changeMembersMs === null ? every(3_000) : null,
      clockJump: every(1_000),
      proxyCrash: every(2_500),
      proxyPause: every(2_500),
      partitionAll: laterRandom() < 0.25 ? Math.round(1_000 + laterRandom() * 2_000) : null,
      wipe: changeMembersMs === null && laterRandom() < 0.3
        ? Math.round(100 + laterRandom() * 2_000)
        : null,
    },
    crashLosesPower: pick(0, 0.5, 1),
    restartMsMax: pick(20, 300, 1_500),
    pauseMsMax: pick(100, 500, 2_000),
    partitionMsMax: pick(200, 800, 2_500, 20_000),
    clockRateMax: pick(0, 0.001, 0.05),
    clockJumpMsMax: pick(50, 1_000, 3_600_000),
    areClocksRight,
    wrongClocks: areSomeWrong ? 1 + randomInteger(laterRandom, Math.floor((count - 1) / 2)) : 0,
    clocksAheadMs,
    laziness: often(0.3) ? between(0, 0.5) : 0,
    syncMs: pick(0.1, 0.5, 3, 10),
    syncSpike: seldom(0.05),
    syncSpikeMsMax: pick(50, 300, 1_500),
    segmentBytesMax: areSegmentsSmall
      ? Math.min(segmentBytesMax, snapshotLogBytes / 2)
      : segmentBytesMax,
    electionMs: pick(150, 150, 100, 300),
    heartbeatMs,
    waitMs: pick(300, 1_000, 5_000),
    fat: often(0.2) ? random() * 0.1 : 0,
    fatBytesMax: pick(2_000, 100_000),
    minority: changeMembersMs === null ? pick("healed", "down", "faulty") : "healed",
    upgrades: laterRandom() < 0.3,
    snapshotLogBytes,
    changeMembersMs,
    turnStepsMax: laterRandom() < 0.4 ? 1 + randomInteger(laterRandom, 3) : 1e9,
  };
}

/** The plan as text, for the report of a failing seed. */
export function describePlan(plan: FaultPlan): string[] {
  const { every, ...rest } = plan;
  const faults = FAULT_KINDS.flatMap((kind) =>
    every[kind] === null ? [] : [`${kind} every ${every[kind]} ms`]
  );
  const settings = Object.entries(rest).map(([name, value]) =>
    `${name}=${typeof value === "number" ? Number(value.toFixed(4)) : value}`
  );
  return [settings.join(" "), faults.length === 0 ? "no faults" : faults.join(", ")];
}
