import { wrongNumberOfArguments } from "../commands/request_errors.ts";
import type { Address } from "../node/network.ts";
import type { Node } from "../node/node.ts";
import type { StateReport } from "../node/state_report.ts";
import { ErrorReply, MapReply, OK, type Reply } from "../resp/reply.ts";

/** What only the leader can do; others answer `-MOVED` to it, and a proxy asks it. */
export const MEMBER_SUBCOMMANDS: readonly string[] = ["JOIN", "FORGET", "TRANSFER"];

export const MEMBER_HELP: readonly string[] = [
  "JOIN <id> <host>:<raft-port>",
  "    Enter a new node as a learner; it gets its vote when it has caught up. Said by that node.",
  "FORGET <id> [FORCE]",
  "    Remove a member for good, FORCE also if too few members would be left that answer.",
  "TRANSFER <id>",
  "    Hand leadership over to a voting member.",
];

/** The same as for `--id`. */
const ID = /^[A-Za-z0-9_.-]{1,64}$/;

/**
 * `CLUSTER JOIN`, `FORGET` and `TRANSFER`: answered when the change is committed or the other leads.
 *
 * @param args with `CLUSTER` and the subcommand
 */
export function memberCommand(
  node: Node,
  args: readonly string[],
  settle: (reply: Reply) => void,
): void {
  const [, name = "", id = "", option] = args;
  const subcommand = name.toUpperCase();
  const counts = { JOIN: [4], FORGET: [3, 4], TRANSFER: [3] }[subcommand] ?? [];
  if (!counts.includes(args.length)) {
    return settle(wrongNumberOfArguments(`cluster|${subcommand.toLowerCase()}`));
  }
  if (!ID.test(id)) return settle(new ErrorReply("ERR the id is not one that a node can have"));
  const { membership } = node;
  if (subcommand === "TRANSFER") return membership.transfer.start(id, settle);
  if (subcommand === "FORGET") {
    if (option !== undefined && option.toUpperCase() !== "FORCE") {
      return settle(new ErrorReply("ERR syntax error"));
    }
    return membership.forget(id, option !== undefined, settle);
  }
  const address = parseAddress(option ?? "");
  if (address === null) return settle(new ErrorReply("ERR the address is not <host>:<raft-port>"));
  membership.join(id, address, (reply) => {
    settle(reply === OK ? joinedReply(node.report()) : reply);
  });
}

/** What a new node needs to begin: which cluster it is in, and whom it may ask for the rest. */
function joinedReply({ clusterId, members }: StateReport): Reply {
  return new MapReply([
    ["cluster-id", clusterId],
    [
      "members",
      new MapReply(members.map(({ id, raftAddress: { host, port } }) => [id, `${host}:${port}`])),
    ],
  ]);
}

function parseAddress(text: string): Address | null {
  const [, host = "", port = ""] = /^([A-Za-z0-9_.:%-]{1,255}):([0-9]{1,5})$/.exec(text) ?? [];
  return host === "" || Number(port) > 65_535 || Number(port) === 0
    ? null
    : { host, port: Number(port) };
}
