import type { Core } from "./core.ts";
import type { AppendReply } from "./types.ts";

/** The log equals the leader's up to `index`, and the leader has committed up to `commit`. */
export function verified<T>(core: Core<T>, index: number, commit: number): void {
  core.verifiedIndex = Math.max(core.verifiedIndex, index);
  core.leaderCommit = Math.max(core.leaderCommit, commit);
  core.log.commitTo(Math.min(core.leaderCommit, core.verifiedIndex));
}

/** Confirms the log up to `index`; confirmations that wait for the same write become one. */
export function acknowledge<T>(core: Core<T>, to: string, index: number): void {
  const { id, term, messagesAfterPersist } = core;
  const last = messagesAfterPersist.at(-1);
  let matchIndex = index;
  if (last?.type === "appendReply" && last.accepted && last.to === to && last.term === term) {
    messagesAfterPersist.pop();
    matchIndex = Math.max(index, last.index);
  }
  const reply: AppendReply = {
    type: "appendReply",
    from: id,
    to,
    term,
    accepted: true,
    index: matchIndex,
    hintIndex: 0,
    hintTerm: 0,
  };
  core.send(reply, matchIndex);
}
