import { assert } from "../base/assert.ts";
import { type Core, leadershipOf } from "./core.ts";
import type { Transfer } from "./leadership.ts";
import type { NodeId } from "./types.ts";

/** Begins to hand leadership over to a voter; false where that cannot be. */
export function startTransfer<T>(core: Core<T>, to: NodeId): boolean {
  if (core.role !== "leader" || to === core.id || !core.isVoter(to)) return false;
  const leadership = leadershipOf(core);
  if (leadership.transfer !== null) return leadership.transfer.to === to;
  leadership.transfer = newTransfer(core, to, false);
  return true;
}

/** The leader has been removed: it goes, and leaves the term to the voter that has most. */
export function startRetiring<T>(core: Core<T>): void {
  const leadership = leadershipOf(core);
  if (leadership.transfer?.isRetiring) return;
  let best: { to: NodeId; match: number } | null = null;
  for (const to of core.configuration.voters) {
    const match = leadership.progress.get(to)?.match ?? 0;
    if (best === null || match > best.match) best = { to, match };
  }
  assert(best !== null, "a configuration has a voter");
  leadership.transfer = newTransfer(core, best.to, true);
  for (const peer of leadership.progress.values()) peer.heartbeatDue = true; // they hear of it now
}

/** Whether the target has everything and is still to be asked. */
export function hasTransferWork<T>(core: Core<T>): boolean {
  const { transfer, progress } = leadershipOf(core);
  if (transfer === null || transfer.isAsked) return false;
  return progress.get(transfer.to)?.match === core.log.lastIndex();
}

/** Asks the target to stand once it has everything. Comes after all other messages of a Ready. */
export function flushTransfer<T>(core: Core<T>): void {
  if (!hasTransferWork(core)) return;
  const { transfer } = leadershipOf(core);
  assert(transfer !== null, "there is a transfer");
  transfer.isAsked = true;
  core.send({ type: "timeoutNow", from: core.id, to: transfer.to, term: core.term });
  if (transfer.isRetiring) core.becomeFollower(core.term, null);
}

/** Asks again with each heartbeat; ends an attempt that takes longer than an election. */
export function tickTransfer<T>(core: Core<T>, isHeartbeatTime: boolean): void {
  const leadership = leadershipOf(core);
  const { transfer } = leadership;
  if (transfer === null) return;
  if (isHeartbeatTime) transfer.isAsked = false;
  if (core.ticks < transfer.endTick) return;
  if (transfer.isRetiring) core.becomeFollower(core.term, null);
  else leadership.transfer = null;
}

function newTransfer<T>(core: Core<T>, to: NodeId, isRetiring: boolean): Transfer {
  return { to, endTick: core.ticks + core.options.electionTicks, isRetiring, isAsked: false };
}
