import { isWellFormed } from "./configuration_log.ts";
import { type Core, hasCommittedInTerm, leadershipOf } from "./core.ts";
import type { Leaving } from "./leadership.ts";
import { Progress } from "./progress.ts";
import { startRetiring } from "./transfer.ts";
import type { Configuration } from "./types.ts";

/** How many election timeouts a removed peer is told of its removal, if it does not answer. */
const LEAVING_ELECTIONS = 4;

/** Why a configuration cannot be proposed here and now. */
export type ConfigurationRefusal =
  /** This node does not lead, or is handing leadership over. */
  | "notLeader"
  /** The leader has not committed an entry of its term yet. */
  | "termNotOpened"
  /** The change before is not committed yet. */
  | "changeUnderWay"
  /** More than one voter would come or go. */
  | "moreThanOneVoter"
  /** No voter is left, or an id is in it twice. */
  | "malformed";

/**
 * Changes go one voter at a time, each after the one before is committed: then any two majorities
 * that could decide at the same time have a voter in common (thesis §4.1). The entry of its own term
 * makes the leader know of, and stop, any change that an earlier leader began.
 */
export function configurationRefusal<T>(
  core: Core<T>,
  configuration: Configuration,
): ConfigurationRefusal | null {
  if (core.role !== "leader" || leadershipOf(core).transfer !== null) return "notLeader";
  if (!isWellFormed(configuration)) return "malformed";
  if (!hasCommittedInTerm(core)) return "termNotOpened";
  if (!core.isConfigurationCommitted) return "changeUnderWay";
  const difference = new Set(core.configuration.voters)
    .symmetricDifference(new Set(configuration.voters));
  return difference.size > 1 ? "moreThanOneVoter" : null;
}

/**
 * Brings what the leader keeps of its peers in line with the newest configuration.
 *
 * @param next the first guess of where the logs of new peers end
 */
export function adoptConfiguration<T>(core: Core<T>, next: number): void {
  const { progress, leaving } = leadershipOf(core);
  const { index, configuration: { voters, learners } } = core.configurations.newest;
  const members = new Set([...voters, ...learners]);
  members.delete(core.id);
  for (const peer of members) {
    leaving.delete(peer);
    if (progress.has(peer)) continue;
    progress.set(peer, new Progress(core.options, next, core.ticks));
  }
  for (const peer of progress.keys()) {
    if (members.has(peer) || leaving.has(peer)) continue;
    leaving.set(peer, { index, sinceTick: core.ticks, toldTick: null });
  }
}

/** Forgets the removed peers that know it by now, or do not answer. */
export function tickLeaving<T>(core: Core<T>): void {
  const { progress, leaving } = leadershipOf(core);
  const patience = LEAVING_ELECTIONS * core.options.electionTicks;
  for (const [id, one] of leaving) {
    const peer = progress.get(id);
    if (peer !== undefined && !hasHeard(one, peer) && core.ticks - one.sinceTick < patience) {
      if (peer.commitTold >= one.index) one.toldTick ??= core.ticks;
      continue;
    }
    leaving.delete(id);
    progress.delete(id);
  }
}

/** A leader that is no voter of its committed configuration hands over and goes (thesis §4.2.2). */
export function retireIfRemoved<T>(core: Core<T>): void {
  if (core.isConfigurationCommitted && !core.isVoter(core.id)) startRetiring(core);
}

function hasHeard({ toldTick }: Leaving, peer: Progress): boolean {
  return toldTick !== null && peer.heardTick >= toldTick;
}
