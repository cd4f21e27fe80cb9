import { wrongNumberOfArguments } from "../commands/request_errors.ts";
import { type Faults, FAULTS_MAX } from "../node/faults/faults.ts";
import type { NodeId } from "../raft/types.ts";
import { ErrorReply, OK, type Reply, SimpleString } from "../resp/reply.ts";
import { faultKind, parseFault, unknownFault } from "./fault_request.ts";

const HELP = [
  "FAULT <subcommand> [<arg> ...]. Lets this node fail on purpose. Subcommands are:",
  "PAUSE [<ms>]",
  "    Play dead on the network: peers and clients get nothing, but FAULT is answered.",
  "ISOLATE [FROM <id>[,<id> ...]] [IN|OUT|BOTH] [<ms>]",
  "    Lose all messages from (IN) and to (OUT) these peers, or all.",
  "DELAY <delay-ms> [FROM <id>[,<id> ...]] [<ms>]",
  "    Let messages from and to these peers, or all, take so much longer.",
  "DROP <percent> [FROM <id>[,<id> ...]] [<ms>]",
  "    Lose so many of a hundred messages from and to these peers, or all.",
  "SLOW-DISK <delay-ms> [<ms>]",
  "    Let each sync of the disk take so much longer.",
  "CRASH",
  "    End the process at once, as if killed.",
  "HEAL [<subcommand>]",
  "    End all faults, or those of one kind; returns how many there were.",
  "LIST",
  "    Return the faults that are on.",
  "HELP",
  "    Print this help.",
  "<ms> is how long it lasts; without, until it is healed.",
].map((line) => new SimpleString(line));

const NOT_ALLOWED = new ErrorReply(
  "ERR FAULT is off: this node was not started with --allow-faults",
);
const TOO_MANY = new ErrorReply(`ERR there are ${FAULTS_MAX} faults already: FAULT HEAL ends them`);

/** What a node needs to fail on purpose. */
export interface FaultTools {
  readonly faults: Faults;
  /** Ends the process at once, with nothing tidied up. */
  crash(): void;
}

/** The node, as far as it tells who its peers are. */
export interface PeerList {
  report(): { readonly id: NodeId; readonly members: readonly { readonly id: NodeId }[] };
}

/** Answers `FAULT …`. @param tools `null`: faults are not allowed */
export function faultCommand(
  tools: FaultTools | null,
  node: PeerList,
  args: readonly string[],
): Reply {
  const subcommand = args[1]?.toLowerCase() ?? "";
  if (subcommand === "help") return HELP;
  if (tools === null) return NOT_ALLOWED;
  const { faults } = tools;
  switch (subcommand) {
    case "list":
      return args.length === 2 ? faults.texts() : wrongNumberOfArguments("fault|list");
    case "crash":
      if (args.length !== 2) return wrongNumberOfArguments("fault|crash");
      tools.crash();
      return OK;
    case "heal":
      return heal(faults, args);
    default:
      return begin(faults, node, args);
  }
}

function heal(faults: Faults, args: readonly string[]): Reply {
  if (args.length > 3) return wrongNumberOfArguments("fault|heal");
  if (args[2] === undefined) return faults.heal();
  const kind = faultKind(args[2]);
  return kind === null ? unknownFault(args[2]) : faults.heal(kind);
}

function begin(faults: Faults, node: PeerList, args: readonly string[]): Reply {
  const { id, members } = node.report();
  const others = members.map((member) => member.id).filter((member) => member !== id);
  const request = parseFault(args, others);
  if (request instanceof ErrorReply) return request;
  return faults.begin(request.fault, request.durationMs) ? OK : TOO_MANY;
}
