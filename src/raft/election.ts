import type { Core } from "./core.ts";
import { startLeading } from "./leader.ts";
import type { NodeId, VoteRequest } from "./types.ts";

/** Stands for election, beginning with the pre-vote; a leader has no reason to. */
export function campaign<T>(core: Core<T>): void {
  if (core.role === "leader") return;
  core.becomePreCandidate();
  requestVotes(core, "preVote", core.term + 1);
  countVote(core, core.id, true);
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
  for (const answer of core.votes.values()) if (answer) grantedCount++;
  if (grantedCount >= core.quorum) {
    if (core.role === "preCandidate") startElection(core);
    else startLeading(core);
  } else if (core.votes.size - grantedCount >= core.quorum) {
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

function startElection<T>(core: Core<T>): void {
  core.becomeCandidate();
  requestVotes(core, "vote", core.term);
}

function requestVotes<T>(core: Core<T>, type: VoteRequest["type"], term: number): void {
  const lastIndex = core.log.lastIndex();
  const lastTerm = core.log.lastTerm();
  for (const to of core.peers) {
    if (core.votes.has(to)) continue;
    core.send({ type, from: core.id, to, term, lastIndex, lastTerm });
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
