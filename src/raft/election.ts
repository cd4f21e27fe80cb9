import { startLeading } from "./leader.ts";
import type { RaftState } from "./state.ts";
import type { Message, NodeId, VoteRequest } from "./types.ts";

/**
 * Whether this node may stand for election. A voter that an uncommitted change removes still may:
 * perhaps it alone has the change in its log, and a node that lacks it cannot win the votes of
 * those that have it (thesis §4.2.2).
 */
function isElectable<T>(state: RaftState<T>): boolean {
  if (!state.mayLead) return false;
  if (state.isVoter(state.id)) return true;
  const committed = state.configurations.at(state.log.commitIndex());
  return committed.configuration.voters.includes(state.id);
}

/** Stands for election, beginning with the pre-vote. A leader does nothing. */
export function campaign<T>(state: RaftState<T>): void {
  if (state.role === "leader" || !isElectable(state)) return;
  state.becomePreCandidate();
  requestVotes(state, "preVote", state.term + 1);
  countVote(state, state.id, true);
}

/**
 * Stands for election at once, because the leader asks for it (thesis §3.10). A pre-vote would only
 * cost time, since the leader gives way.
 */
export function campaignForTransfer<T>(state: RaftState<T>): void {
  if (state.role === "leader" || !state.mayLead || !state.isVoter(state.id)) return;
  state.becomePreCandidate();
  startElection(state, true);
}

/**
 * Acts on the leader's silence: stands for election or, if this node may not, forgets the leader.
 */
export function handleElectionTimeout<T>(state: RaftState<T>): void {
  if (isElectable(state)) campaign(state);
  else state.becomeFollower(state.term, null);
}

/**
 * Asks those members again that have not answered (Raft paper §5.5). The request may have been
 * lost, or its receiver may only now have stopped hearing the old leader.
 */
export function repeatVoteRequests<T>(state: RaftState<T>): void {
  const type = state.role === "preCandidate" ? "preVote" : "vote";
  const term = state.role === "preCandidate" ? state.term + 1 : state.term;
  if (state.votes.has(state.id)) requestVotes(state, type, term);
}

/**
 * Counts a member's first answer to this candidate or pre-candidate, and acts once a majority
 * agrees.
 */
function countVote<T>(state: RaftState<T>, from: NodeId, granted: boolean): void {
  if (!state.votes.has(from)) state.votes.set(from, granted);
  let grantedCount = 0;
  let refusedCount = 0;
  for (const voter of state.configuration.voters) {
    const answer = state.votes.get(voter);
    if (answer === true) grantedCount++;
    if (answer === false) refusedCount++;
  }
  if (grantedCount >= state.quorum) {
    if (state.role === "preCandidate") startElection(state, false);
    else startLeading(state);
  } else if (refusedCount >= state.quorum) {
    state.becomeFollower(state.term, null);
  }
}

/** Counts a candidate's own vote once it is durable, as everyone's is. */
export function countOwnVote<T>(state: RaftState<T>): void {
  if (state.role !== "candidate" || state.votes.has(state.id) || !state.isHardStateDurable()) {
    return;
  }
  // The vote requests are sent only now: a slow disk must not shorten the wait for the answers.
  state.electionElapsed = 0;
  countVote(state, state.id, true);
}

/** Handles a message of this candidate's or pre-candidate's term, or a granted pre-vote. */
export function stepCandidate<T>(state: RaftState<T>, message: Message<T>): void {
  switch (message.type) {
    case "preVoteReply":
      if (state.role !== "preCandidate") return;
      if (message.granted && message.term !== state.term + 1) return;
      return countVote(state, message.from, message.granted);
    case "voteReply":
      // A candidate asks nobody before its own vote is durable.
      if (state.role !== "candidate" || !state.votes.has(state.id)) return;
      return countVote(state, message.from, message.granted);
    case "readIndex":
      return state.answerRead(message.from, message.readId, null);
    default:
      return;
  }
}

/** Raft paper, figure 2 (RequestVote, receiver); thesis §9.6 for the pre-vote. */
export function answerVoteRequest<T>(state: RaftState<T>, request: VoteRequest): void {
  const isPreVote = request.type === "preVote";
  const canVote = state.vote === request.from || (state.vote === null && state.leaderId === null) ||
    (isPreVote && request.term > state.term);
  const granted = canVote && state.log.isUpToDate(request.lastIndex, request.lastTerm);
  if (granted && !isPreVote) {
    if (state.role !== "follower") state.becomeFollower(state.term, null);
    state.voteFor(request.from);
  }
  replyToVoteRequest(state, request, granted);
}

/** Answers a request of an older term. The refusal tells the sender the current term. */
export function refuseVote<T>(state: RaftState<T>, request: VoteRequest): void {
  replyToVoteRequest(state, request, false);
}

function startElection<T>(state: RaftState<T>, isTransfer: boolean): void {
  state.becomeCandidate();
  state.isTransfer = isTransfer;
  requestVotes(state, "vote", state.term);
}

function requestVotes<T>(state: RaftState<T>, type: VoteRequest["type"], term: number): void {
  const lastIndex = state.log.lastIndex();
  const lastTerm = state.log.lastTerm();
  const { id: from, isTransfer } = state;
  for (const to of state.configuration.voters) {
    if (to === from || state.votes.has(to)) continue;
    state.send({ type, from, to, term, lastIndex, lastTerm, isTransfer });
  }
}

function replyToVoteRequest<T>(state: RaftState<T>, request: VoteRequest, granted: boolean): void {
  state.send({
    type: request.type === "preVote" ? "preVoteReply" : "voteReply",
    from: state.id,
    to: request.from,
    // A granted pre-vote carries the term that was asked about; a refusal carries our own.
    term: granted ? request.term : state.term,
    granted,
  });
}
