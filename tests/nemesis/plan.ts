import { type Random, randomInteger } from "../../src/base/random.ts";

/** The kinds of faults, and the weight of each. */
const WEIGHTS = {
  "kill a node": 4,
  "kill the leader": 4,
  "kill all nodes": 2,
  "end a node": 1,
  "stop a node": 2,
  "stop the leader": 3,
  "stop most nodes": 1,
  "stutter": 2,
  "kill the proxy": 1,
  "stop the proxy": 1,
  "hold all of a node": 3,
  "hold all of the leader": 3,
  "hold what a node sends": 3,
  "hold what a node gets": 3,
  "cut two nodes apart": 3,
  "swallow all of a node": 2,
  "swallow what the leader sends": 2,
  "refuse a node": 2,
  "break all connections": 2,
  "delay all": 2,
  "fill the disk": 3,
  "slow the syncs": 2,
  "lose messages": 2,
  "isolate from inside": 2,
  "play dead": 2,
  "slow a disk": 2,
  "add a node": 7,
  "remove a node": 5,
  "remove the leader": 4,
  "hand leadership over": 5,
  "take snapshots": 4,
} as const;

export type FaultKind = keyof typeof WEIGHTS;

export interface PlannedFault {
  readonly kind: FaultKind;
  /** Time from the beginning of the faults. */
  readonly atMs: number;
  readonly forMs: number;
  /** The node that is hit, modulo the number of nodes, unless it is the leader. */
  readonly node: number;
  /** Seed of the fault's other choices. */
  readonly seed: number;
}

export interface PlanOptions {
  readonly random: Random;
  readonly durationMs: number;
  /** Whether one node has a disk that can be filled. */
  readonly hasSmallDisk: boolean;
}

/** Large enough that all possible numbers of nodes divide it nearly evenly. */
const NODE_NUMBERS = 1_000;
const PAUSE_MS_MAX = 1_200;
const FAULT_MS_MIN = 200;
const FAULT_MS_MAX = 2_800;
/** Share of the faults that overlap with another one. */
const OVERLAP_SHARE = 0.4;

/** The faults of a run, in order. Equal random numbers give equal faults. */
export function planFaults(options: PlanOptions): PlannedFault[] {
  const { random, durationMs, hasSmallDisk } = options;
  const bag = (Object.keys(WEIGHTS) as FaultKind[])
    .filter((kind) => hasSmallDisk || kind !== "fill the disk")
    .flatMap((kind) => Array.from({ length: WEIGHTS[kind] }, () => kind));
  const plan: PlannedFault[] = [];
  for (let atMs = 0;;) {
    const forMs = FAULT_MS_MIN + randomInteger(random, FAULT_MS_MAX - FAULT_MS_MIN);
    if (atMs + forMs > durationMs) return plan;
    plan.push({
      kind: bag[randomInteger(random, bag.length)] ?? "kill a node",
      atMs,
      forMs,
      node: randomInteger(random, NODE_NUMBERS),
      seed: randomInteger(random, 2 ** 32),
    });
    const overlaps = random() < OVERLAP_SHARE;
    atMs += overlaps
      ? randomInteger(random, forMs)
      : forMs + 100 + randomInteger(random, PAUSE_MS_MAX);
  }
}
