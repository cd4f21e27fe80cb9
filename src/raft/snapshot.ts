import { type Core, leadershipOf } from "./core.ts";
import { acknowledge, verified } from "./following.ts";
import type { NodeId, SnapshotRequest } from "./types.ts";

/**
 * A follower's driver has received a whole snapshot (thesis §5, InstallSnapshot, receiver). It is
 * taken only where it brings something new: what is committed here, or stands in the log already,
 * stays, with all that follows.
 */
export function handleSnapshot<T>(core: Core<T>, request: SnapshotRequest): void {
  const { lastIndex: index, lastTerm: term, configuration } = request;
  if (index > core.log.commitIndex()) {
    if (!core.log.matches(index, term)) {
      if (index <= core.verifiedIndex) return; // a leader never changes its own log
      core.restore({ index, term, configuration });
    }
    verified(core, index, index);
  }
  acknowledge(core, request.from, core.log.commitIndex());
}

/** Asks the driver to stream a snapshot to a peer that needs what the log no longer has. */
export function sendSnapshot<T>(core: Core<T>, to: NodeId): void {
  const { log, configurations, id: from, term } = core;
  configurations.compactedTo(log.firstIndex() - 1);
  const lastIndex = Math.max(log.firstIndex() - 1, configurations.oldest.index);
  const { configuration } = configurations.at(lastIndex);
  const lastTerm = log.term(lastIndex);
  leadershipOf(core).progress.get(to)?.snapshotSent(lastIndex, core.ticks);
  core.send({ type: "snapshot", from, to, term, lastIndex, lastTerm, configuration });
}
