import { isWellFormed } from "./configuration_log.ts";
import { Progress } from "./progress.ts";
import { hasCommittedInTerm, leadershipOf, type LeavingPeer, type RaftState } from "./state.ts";
import { startRetiring } from "./transfer.ts";
import type { Configuration } from "./types.ts";

/**
 * Number of election timeouts after which the leader forgets a removed peer that does not answer.
 */
const LEAVING_ELECTION_TIMEOUTS = 4;

/** Why a configuration cannot be proposed here and now. */
export type ConfigurationRefusal =
  /** This node does not lead, or is handing leadership over. */
  | "notLeader"
  /** The leader has not committed an entry of its term yet. */
  | "termNotOpened"
  /** The previous change is not committed yet. */
  | "changeUnderWay"
  /** More than one voter would be added or removed. */
  | "moreThanOneVoter"
  /** The configuration has no voter, or has an id twice. */
  | "malformed";

/**
 * Why this configuration cannot be proposed now; `null` if it can. Each change adds or removes one
 * voter at most, after the previous one is committed: then any two majorities that could decide at
 * the same time share a voter (thesis §4.1). Once a leader has committed an entry of its own term,
 * a change that an earlier leader began is committed too, or can no longer be.
 */
export function configurationRefusal<T>(
  state: RaftState<T>,
  configuration: Configuration,
): ConfigurationRefusal | null {
  if (state.role !== "leader" || leadershipOf(state).transfer !== null) return "notLeader";
  if (!isWellFormed(configuration)) return "malformed";
  if (!hasCommittedInTerm(state)) return "termNotOpened";
  if (!state.isConfigurationCommitted) return "changeUnderWay";
  const difference = new Set(state.configuration.voters)
    .symmetricDifference(new Set(configuration.voters));
  return difference.size > 1 ? "moreThanOneVoter" : null;
}

/**
 * Updates what the leader keeps of its peers to the newest configuration.
 *
 * @param next the first guess of the next entry that a new peer needs
 */
export function adoptConfiguration<T>(state: RaftState<T>, next: number): void {
  const { progress, leaving } = leadershipOf(state);
  const { index, configuration: { voters, learners } } = state.configurations.newest;
  const members = new Set([...voters, ...learners]);
  members.delete(state.id);
  for (const peer of members) {
    leaving.delete(peer);
    if (progress.has(peer)) continue;
    progress.set(peer, new Progress(state.options, next, state.ticks));
  }
  for (const peer of progress.keys()) {
    if (members.has(peer) || leaving.has(peer)) continue;
    leaving.set(peer, { index, sinceTick: state.ticks, commitSentTick: null });
  }
}

/** Forgets the removed peers that know of their removal by now, or do not answer. */
export function tickLeaving<T>(state: RaftState<T>): void {
  const { progress, leaving } = leadershipOf(state);
  const timeoutTicks = LEAVING_ELECTION_TIMEOUTS * state.options.electionTicks;
  for (const [id, one] of leaving) {
    const peer = progress.get(id);
    if (peer !== undefined && !hasHeard(one, peer) && state.ticks - one.sinceTick < timeoutTicks) {
      if (peer.commitSent >= one.index) one.commitSentTick ??= state.ticks;
      continue;
    }
    leaving.delete(id);
    progress.delete(id);
  }
}

/**
 * A leader that is no voter of its committed configuration hands over and leaves (thesis §4.2.2).
 */
export function retireIfRemoved<T>(state: RaftState<T>): void {
  if (state.isConfigurationCommitted && !state.isVoter(state.id)) startRetiring(state);
}

function hasHeard({ commitSentTick }: LeavingPeer, peer: Progress): boolean {
  return commitSentTick !== null && peer.heardTick >= commitSentTick;
}
