import { assertNever } from "../../../src/base/errors.ts";
import { configurationText } from "./configuration_text.ts";
import type { TestEntry, TestMessage, TestNode } from "./test_node.ts";

/** An entry as `index/term data`. */
export function describeEntry(entry: TestEntry): string {
  return `${entry.index}/${entry.term} ${entry.data ?? "no-op"}`;
}

/** A message on one line, with positions in logs as `index/term`. */
export function describeMessage(message: TestMessage): string {
  return `${message.from}->${message.to} ${message.type} term=${message.term} ${fields(message)}`
    .trimEnd();
}

/** A node's status on one line, with its peers if it leads. */
export function describeStatus(node: TestNode): string {
  if (!node.isUp) return `${node.id}: down`;
  const status = node.raft.status();
  const peers = status.peers.map((peer) =>
    `${peer.id}:${
      peer.isLearner ? "learner " : ""
    }${peer.state} match=${peer.match} next=${peer.next}` +
    (peer.recentlyActive ? "" : " silent")
  );
  return `${node.id}: ${status.role} term=${status.term} vote=${status.vote ?? "-"} ` +
    `leader=${
      status.leaderId ?? "-"
    } commit=${status.commitIndex} applied=${status.appliedIndex} ` +
    `last=${status.lastIndex} durable=${status.durableIndex}` +
    (status.transferringTo === null ? "" : ` transferring to ${status.transferringTo}`) +
    (peers.length > 0 ? ` [${peers.join(", ")}]` : "");
}

function fields(message: TestMessage): string {
  switch (message.type) {
    case "preVote":
    case "vote":
      return `last=${message.lastIndex}/${message.lastTerm}` +
        (message.isTransfer ? " transfer" : "");
    case "preVoteReply":
    case "voteReply":
      return message.granted ? "granted" : "refused";
    case "append":
      return `prev=${message.prevIndex}/${message.prevTerm} commit=${message.commit}` +
        ` [${message.entries.map(describeEntry).join(", ")}]`;
    case "appendReply":
      return message.accepted
        ? `accepted ${message.index}`
        : `refused ${message.index} hint=${message.hintIndex}/${message.hintTerm}`;
    case "heartbeat":
      return `commit=${message.commit} round=${message.round}`;
    case "heartbeatReply":
      return `round=${message.round}`;
    case "snapshot":
      return `last=${message.snapshot.index}/${message.snapshot.term} ` +
        configurationText(message.snapshot.configuration);
    case "timeoutNow":
    case "readIndex":
      return "";
    case "readIndexReply":
      return message.index === null ? "refused" : `index=${message.index}`;
    default:
      return assertNever(message);
  }
}
