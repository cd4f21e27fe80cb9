import type { Core } from "./core.ts";
import { startLeading } from "./leader.ts";
import type { NodeId, VoteRequest } from "./types.ts";

/**
 * Whether this node may stand. One that an uncommitted change removes still may: the change may be
 * known to it alone, and whoever lacks it cannot win the votes of those who have it (thesis §4.2.2).
 */
export function isElectable<T>(core: Core<T>): boolean {
  if (core.isVoter(core.id)) return true;
  const committed = core.configurations.at(core.log.commitIndex());
  return committed.configuration.voters.includes(core.id);
}

/** Stands for election, beginning with the pre-vote; a leader has no reason to. */
export function campaign<T>(core: Core<T>): void {
  if (core.role === "leader" || !isElectable(core)) return;
  core.becomePreCandidate();
  requestVotes(core, "preVote", core.term + 1);
  countVote(core, core.id, true);
}

/** Stands at once because the leader asks for it: nobody's refusal could help (thesis §3.10). */
export function campaignForTransfer<T>(core: Core<T>): void {
  if (core.role === "leader" || !core.isVoter(core.id)) return;
  core.becomePreCandidate();
  startElection(core, true);
}

/** No leader was heard for long: whoever may not stand knows none at least. */
export function electionTimedOut<T>(core: Core<T>): void {
  if (isElectable(core)) campaign(core);
  else core.becomeFollower(core.term, null);
}

/**
 * Asks those again who have not answered (Raft paper §5.5): the request may be lost, or was ignored
 * by a member that has only now given up the old leader.
 */
export function repeatVoteRequests<T>(core: Core<T>): void {
  const type = core.role === "preCandidate" ? "preVote" : "vote";
  const term = core.role === "preCandidate" ? core.term + 1 : core.term;
  if (core.votes.has(core.id)) requestVotes(core, type, term);
}

/** Counts a member's first answer to this (pre-)candidate, and acts when a majority has spoken. */
export function countVote<T>(core: Core<T>, from: NodeId, granted: boolean): void {
  if (!core.votes.has(from)) core.votes.set(from, granted);
  let grantedCount = 0;
  let refusedCount = 0;
  for (const voter of core.configuration.voters) {
    const answer = core.votes.get(voter);
    if (answer === true) grantedCount++;
    if (answer === false) refusedCount++;
  }
  if (grantedCount >= core.quorum) {
    if (core.role === "preCandidate") startElection(core, false);
    else startLeading(core);
  } else if (refusedCount >= core.quorum) {
    core.becomeFollower(core.term, null);
  }
}

/** A candidate's own vote counts from when it is durable, as everyone's does. */
export function countOwnVote<T>(core: Core<T>): void {
  if (core.role !== "candidate" || core.votes.has(core.id) || !core.isHardStateDurable()) return;
  core.electionElapsed = 0; // the requests leave only now: a slow disk must not eat up their time
  countVote(core, core.id, true);
}

/** Raft paper, figure 2 (RequestVote, receiver); thesis §9.6 for the pre-vote. */
export function answerVoteRequest<T>(core: Core<T>, request: VoteRequest): void {
  const isPreVote = request.type === "preVote";
  const isFree = core.vote === request.from || (core.vote === null && core.leaderId === null) ||
    (isPreVote && request.term > core.term);
  const granted = isFree && core.log.isUpToDate(request.lastIndex, request.lastTerm);
  if (granted && !isPreVote) {
    if (core.role !== "follower") core.becomeFollower(core.term, null);
    core.voteFor(request.from);
  }
  replyToVoteRequest(core, request, granted);
}

/** The answer to a request of an older term: it tells the sender the present one. */
export function refuseVote<T>(core: Core<T>, request: VoteRequest): void {
  replyToVoteRequest(core, request, false);
}

function startElection<T>(core: Core<T>, isTransfer: boolean): void {
  core.becomeCandidate();
  core.isTransfer = isTransfer;
  requestVotes(core, "vote", core.term);
}

function requestVotes<T>(core: Core<T>, type: VoteRequest["type"], term: number): void {
  const lastIndex = core.log.lastIndex();
  const lastTerm = core.log.lastTerm();
  const { id: from, isTransfer } = core;
  for (const to of core.configuration.voters) {
    if (to === from || core.votes.has(to)) continue;
    core.send({ type, from, to, term, lastIndex, lastTerm, isTransfer });
  }
}

function replyToVoteRequest<T>(core: Core<T>, request: VoteRequest, granted: boolean): void {
  core.send({
    type: request.type === "preVote" ? "preVoteReply" : "voteReply",
    from: core.id,
    to: request.from,
    // A granted pre-vote belongs to the term asked about; a refusal tells of our own.
    term: granted ? request.term : core.term,
    granted,
  });
}
