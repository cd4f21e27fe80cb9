import type { Logger } from "../base/logger.ts";
import { maxmemoryRequest } from "../commands/config_set.ts";
import { MACHINE_RULES, type StateMachine } from "../commands/state_machine.ts";
import type { StateReport } from "../node/members/report.ts";
import type { Cancel, Clock } from "../platform/clock.ts";
import { bytes, optional } from "./flags.ts";

/** Interval in milliseconds between checks of whether the cluster's limit is known. */
const LOOK_MS = 500;

/** A flag of `node` and `cluster`. */
export const memoryFlag = optional(bytes({
  help: "maxmemory of a new cluster: memory for keys, values and kept replies, above which all " +
    "members refuse writes (OOM); 0 or absent: 2g, the maximum; CONFIG SET maxmemory changes it " +
    "later",
  defaultValue: 0,
  min: 0,
  // The first version's rules apply to the founders' writes.
  max: MACHINE_RULES[0]?.memoryBytesMax ?? 0,
}));

export interface MemoryBoundOptions {
  /** The flag's value; 0 for the built-in limit. */
  readonly wanted: number;
  readonly node: { report(): StateReport };
  readonly machine: Pick<StateMachine, "memoryBytesMax" | "memoryBytesLimit">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Warns once when the cluster's maxmemory differs from this node's flag, which counts only when the
 * cluster is founded. It first waits until the node has applied everything that was in the log when
 * it began to serve.
 *
 * @returns cancels the wait
 */
export function warnOfOtherMemoryBound(options: MemoryBoundOptions): Cancel {
  const { wanted, node, machine, clock, logger } = options;
  let cancel: Cancel = () => {};
  let knownAt = Infinity;
  const look = () => {
    const { isServing, machineVersion, lastIndex, appliedIndex } = node.report();
    if (knownAt === Infinity && isServing && machineVersion > 0) knownAt = lastIndex;
    if (appliedIndex < knownAt) {
      cancel = clock.after(LOOK_MS, look);
      return;
    }
    const { memoryBytesMax, memoryBytesLimit } = machine;
    if (memoryBytesMax === (wanted === 0 ? memoryBytesLimit : wanted)) return;
    logger.warn(
      `the cluster's maxmemory is ${memoryBytesMax} bytes, and --memory-bytes-max ${wanted} is not ` +
        `applied, since it counts only when a cluster is founded; to change it for all members, ` +
        `send ${maxmemoryRequest(wanted).join(" ")} to the leader or a proxy`,
    );
  };
  cancel = clock.after(LOOK_MS, look);
  return () => cancel();
}
