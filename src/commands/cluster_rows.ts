import type { Arguments } from "../base/byte_string.ts";
import type { Reply } from "../resp/reply.ts";
import type { Keyspace } from "../store/keyspace.ts";
import type { KeyName, KeyspaceView } from "../store/keyspace_view.ts";
import { usersReply } from "./acl_rows.ts";
import { argument, integerAt } from "./arguments.ts";
import {
  clusterInfoText,
  membersReply,
  nodesText,
  shardsReply,
  slotsReply,
} from "./cluster_view.ts";
import {
  type Command,
  type CommandContext,
  endingView,
  KEYS_PER_STEP,
  rowsOf,
  Slices,
  subcommandsOf,
} from "./command.ts";
import { CommandError, replyTooLarge, wrongNumberOfArguments } from "./command_error.ts";
import { keySlot, SLOTS } from "./key_slot.ts";
import { leaderOf, type LocalRun, nodeOf, SETTLED_BY_HANDLER } from "./local.ts";

const INVALID_SLOT = new CommandError("ERR Invalid slot");
const INVALID_SLOT_OR_COUNT = new CommandError("ERR Invalid slot or number of keys");

/** A read of all keys: at once, or in slices from a view of the current keys. */
interface SlotRead {
  readonly run: (context: CommandContext, args: Arguments) => Reply;
  readonly begin: (context: CommandContext, args: Arguments) => Slices;
  readonly isLong: true;
}

/** `CLUSTER COUNTKEYSINSLOT slot` */
const countKeysInSlot: SlotRead = slotRead(function* (_context, args, keys) {
  const slot = integerAt(args, 2);
  if (slot < 0 || slot >= SLOTS) throw INVALID_SLOT;
  let count = 0;
  for (const key of keys) {
    if (key === null) yield;
    else if (keySlot(key) === slot) count++;
  }
  return count;
});

/** `CLUSTER GETKEYSINSLOT slot count` */
const getKeysInSlot: SlotRead = slotRead(function* ({ replyBytesMax }, args, keys) {
  const slot = integerAt(args, 2);
  const countMax = integerAt(args, 3);
  if (slot < 0 || slot >= SLOTS || countMax < 0) throw INVALID_SLOT_OR_COUNT;
  const found: string[] = [];
  let bytes = 0;
  if (countMax === 0) return found;
  for (const key of keys) {
    if (key === null) {
      yield;
    } else if (keySlot(key) === slot) {
      bytes += key.length;
      if (bytes > replyBytesMax) throw replyTooLarge(replyBytesMax);
      if (found.push(key) >= countMax) break;
    }
  }
  return found;
});

/** @param read gets the keys, and a `null` wherever it may yield to other requests */
function slotRead(
  read: (
    context: CommandContext,
    args: Arguments,
    keys: Iterable<string | null>,
  ) => Generator<void, Reply>,
): SlotRead {
  return {
    run: (context, args) =>
      new Slices(read(context, args, keysOf(context.keyspace, null))).finish(),
    begin: (context, args) => {
      const { keyspace } = context;
      const view = keyspace.beginKeyView();
      const steps = read(context, args, keysOf(keyspace, view));
      return view === null
        ? new Slices(steps)
        : new Slices(endingView(steps, keyspace, view), true);
    },
    isLong: true,
  };
}

/** @param view `null` if the keys do not change meanwhile */
function* keysOf(
  keyspace: Keyspace,
  view: KeyspaceView<KeyName> | null,
): Generator<string | null, void> {
  const size = view?.size ?? keyspace.storedSize;
  for (let position = 0; position < size; position++) {
    const key = view === null ? keyspace.keyAt(position) : view.read()?.key ?? null;
    if (key !== null) yield key;
    if (position % KEYS_PER_STEP === KEYS_PER_STEP - 1) yield null;
  }
}

/** What other processes of the cluster send before they may do anything. */
const PEERS = { flags: ["stale", "fast", "no_auth"], since: "0.1.0" };

const ADMIN = {
  flags: ["admin", "stale", "no_async_loading"],
  categories: ["admin", "dangerous"],
};

const forget: LocalRun = ({ ofLeader }, _client, args, reply) => {
  if (args.length > 4) throw wrongNumberOfArguments("cluster|forget");
  leaderOf(ofLeader).forgetMember(argument(args, 2), args[3], reply);
  return SETTLED_BY_HANDLER;
};

const join: LocalRun = ({ ofLeader }, _client, args, reply) => {
  leaderOf(ofLeader).join(argument(args, 2), argument(args, 3), argument(args, 4), reply);
  return SETTLED_BY_HANDLER;
};

const transfer: LocalRun = ({ ofLeader }, _client, args, reply) => {
  leaderOf(ofLeader).transfer(argument(args, 2), reply);
  return SETTLED_BY_HANDLER;
};

/** Longest key in bytes that `CLUSTER KEYSLOT` takes: the checksum of 8 MiB takes up to 40 ms. */
const SLOT_KEY_BYTES_MAX = 1024 * 1024;

function slotReply(key: string): Reply {
  if (key.length > SLOT_KEY_BYTES_MAX) {
    throw new CommandError(`ERR the key is too long, more than ${SLOT_KEY_BYTES_MAX} bytes`);
  }
  return keySlot(key);
}

/** `CLUSTER …`: Redis Cluster's view of the members, and Regent's own. */
export const clusterRows: readonly Command[] = rowsOf("cluster", [], [{
  name: "cluster",
  arity: -2,
  kind: "local",
  flags: [],
  keys: null,
  since: "3.0.0",
  summary: "Shows the cluster, and changes its members",
  subcommands: subcommandsOf("cluster", {
    group: "cluster",
    flags: ["stale"],
    categories: [],
    since: "3.0.0",
  }, [
    {
      ...PEERS,
      name: "challenge",
      arity: 2,
      summary: "Returns what the other side has to answer to prove that it is of this cluster",
      help: [
        "CHALLENGE",
        "    Return what to answer by PROVE. Sent by nodes and proxies.",
      ],
      serve: ({ access }, client) => access.challenge(client),
    },
    {
      ...countKeysInSlot,
      name: "countkeysinslot",
      arity: 3,
      kind: "read",
      summary: "Counts the keys of a slot",
      help: ["COUNTKEYSINSLOT <slot>", "    Return the number of keys in <slot>."],
    },
    {
      name: "fence",
      arity: 3,
      since: "0.1.0",
      isForNodes: true,
      summary: "Accepts data commands on this connection only while this node leads in a term",
      help: [
        "FENCE <term>",
        "    Accept data commands on this connection only while this node leads in <term>.",
      ],
      serve: ({ ofNode }, client, args) => nodeOf(ofNode).fence(client, Number(args[2])),
    },
    {
      ...ADMIN,
      name: "forget",
      arity: -3,
      summary: "Removes a member permanently",
      help: [
        "FORGET <id> [FORCE]",
        "    Remove a member permanently; with FORCE also if too few remaining members answer.",
      ],
      isForLeader: true,
      serve: forget,
    },
    {
      ...getKeysInSlot,
      name: "getkeysinslot",
      arity: 4,
      kind: "read",
      tips: ["nondeterministic_output"],
      summary: "Returns keys of a slot",
      help: [
        "GETKEYSINSLOT <slot> <count>",
        "    Return key names stored by current node in a slot.",
      ],
    },
    {
      name: "info",
      isText: true,
      arity: 2,
      tips: ["nondeterministic_output"],
      summary: "Returns the state of the cluster as Redis Cluster does",
      help: ["INFO", "    Return information about the cluster."],
      serve: (server, client) => clusterInfoText(server.clusterView(client)),
    },
    {
      ...ADMIN,
      name: "join",
      arity: 5,
      since: "0.1.0",
      summary: "Adds a new node as a learner; sent by that node",
      help: [
        "JOIN <id> <host>:<raft-port> <incarnation>",
        "    Add a new node as a learner, which becomes a voter when it has caught up. Sent by that node.",
      ],
      isForLeader: true,
      serve: join,
    },
    {
      name: "keyslot",
      arity: 3,
      summary: "Returns the hash slot of a key",
      help: ["KEYSLOT <key>", "    Return the hash slot for <key>."],
      serve: (_server, _client, args) => slotReply(argument(args, 2)),
    },
    {
      name: "members",
      arity: 2,
      since: "0.1.0",
      summary: "Returns the members' ids and addresses",
      help: ["MEMBERS", "    Return the members' ids and addresses."],
      serve: (server, client) => membersReply(server.clusterView(client)),
    },
    {
      name: "myid",
      arity: 2,
      summary: "Returns the id of the node or proxy",
      help: ["MYID", "    Return the node id."],
      serve: (server, client) => server.clusterView(client).id,
    },
    {
      name: "nodes",
      isText: true,
      arity: 2,
      tips: ["nondeterministic_output"],
      summary: "Returns the members as Redis Cluster does",
      help: [
        "NODES",
        "    Return cluster configuration seen by node. Output format:",
        "    <id> <ip:port> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...",
      ],
      serve: (server, client) => nodesText(server.clusterView(client)),
    },
    {
      ...PEERS,
      name: "prove",
      arity: 4,
      summary: "Proves that the other side knows the secret of the cluster",
      help: [
        "PROVE <nonce> <hmac>",
        "    Answer the challenge by an HMAC; return one in turn. Sent by nodes and proxies.",
      ],
      serve: ({ access }, client, args) =>
        access.prove(client, argument(args, 2), argument(args, 3)),
    },
    {
      name: "role",
      arity: 2,
      since: "0.1.0",
      summary: "Returns a node's id, role, term, leader and indexes; a proxy's view of all nodes",
      help: [
        "ROLE",
        "    Return id, role, term, leader and indexes; on a proxy its view of all nodes.",
      ],
      serve: (server) => server.clusterRole(),
    },
    {
      name: "shards",
      arity: 2,
      since: "7.0.0",
      tips: ["nondeterministic_output"],
      summary: "Returns which members serve the slots, with each member's state",
      help: [
        "SHARDS",
        "    Return information about slot range mappings and the nodes associated with them.",
      ],
      serve: (server, client) => shardsReply(server.clusterView(client)),
    },
    {
      name: "slots",
      arity: 2,
      tips: ["nondeterministic_output"],
      summary: "Returns which members serve the slots",
      help: [
        "SLOTS",
        "    Return information about slots range mappings. Each range is made of:",
        "    start, end, master and replicas IP addresses, ports and ids",
      ],
      serve: (server, client) => slotsReply(server.clusterView(client)),
    },
    {
      ...ADMIN,
      name: "transfer",
      arity: 3,
      since: "0.1.0",
      summary: "Transfers leadership to a voting member",
      help: ["TRANSFER <id>", "    Transfer leadership to a voting member."],
      isForLeader: true,
      serve: transfer,
    },
    {
      ...ADMIN,
      name: "users",
      arity: 2,
      kind: "read",
      since: "0.1.0",
      isForNodes: true,
      summary: "Returns all users with what is kept of their passwords",
      help: ["USERS", "    Return the number of changes, and all users. Sent by proxies."],
      run: usersReply,
    },
    {
      name: "watch",
      arity: 3,
      since: "0.1.0",
      isForNodes: true,
      summary: "Pushes a node's state at every change",
      help: [
        "WATCH <milliseconds>",
        "    Push this node's state at every change and at least that often (RESP3).",
      ],
      serve: ({ ofNode }, client, args) => nodeOf(ofNode).watch(client, Number(args[2])),
    },
  ]),
}]);
