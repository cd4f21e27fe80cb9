import { UserError } from "../base/errors.ts";
import { StateMachine } from "../commands/state_machine.ts";
import { type Identity, openDataDirectory, readIdentity } from "../node/data_directory.ts";
import type { Address } from "../node/network.ts";
import { Node } from "../node/node.ts";
import { PeerTransport } from "../node/peers/peer_transport.ts";
import { restoreNewest } from "../node/snapshots/node_snapshots.ts";
import { listen, type RespListener } from "../server/listener.ts";
import { NodeSessions } from "../server/node_sessions.ts";
import { HASH_SEED_WORDS } from "../store/key_hash.ts";
import { clientFlags, clientLimits } from "./client_flags.ts";
import {
  bytes,
  choice,
  type Flags,
  formatAddress,
  integer,
  optional,
  parseAddress,
  port as portFlag,
  text,
  toggle,
  UsageError,
  type Values,
} from "./flags.ts";
import { clusterIdOf, newClusterId, parseId, parsePeers, VALUE_BYTES_MAX } from "./founding.ts";
import { joinCluster } from "./join.ts";
import { NodeFaults } from "./node_faults.ts";
import { DenoDisk } from "./platform/deno_disk.ts";
import { processFacts } from "./platform/process_facts.ts";
import { stderrLogger } from "./platform/stderr_logger.ts";
import { systemClock } from "./platform/system_clock.ts";
import { tcpNetwork } from "./platform/tcp_network.ts";
import { proxyFlags, startProxy } from "./proxy_service.ts";
import { endOfService } from "./running.ts";
import { subcommand } from "./subcommand.ts";

/** A frame holds one entry: a request, in which JSON may take six bytes for one. */
const FRAME_BYTES_MAX = 512 * 1024 * 1024;
const MIB = 1024 * 1024;
/** By Redis Cluster's convention. */
const RAFT_PORT_OFFSET = 10_000;

const flags = {
  id: { ...text("ID", { help: "The node's name, for life" }), parse: parseId },
  port: portFlag({ help: "Where clients connect" }),
  raftPort: optional(
    portFlag({ help: "Where the other nodes connect; by default the port + 10000" }),
  ),
  host: text("HOST", { help: "The address to listen on", fallback: "127.0.0.1" }),
  advertise: text("HOST", {
    help: "The address that others reach this node by; by default --host",
    fallback: "",
  }),
  dir: text("DIR", { help: "Where the data lives; by default data/ID", fallback: "" }),
  role: optional(choice(["leader", "follower"], {
    help: "leader: with an empty directory found a cluster and stand for election at once, else " +
      "prefer to lead; follower: do not stand before another node had its chance",
    fallback: "follower",
  })),
  peers: {
    ...text("ID=HOST:PORT,…", {
      help: "All members of a new cluster by their Raft addresses, the same on every node; later " +
        "their new addresses, if these changed",
      fallback: "",
    }),
    parse: parsePeers,
    fallback: new Map<string, Address>(),
  },
  join: optional({
    ...text("HOST:PORT", {
      help: "With an empty directory: enter the running cluster that this node or proxy belongs " +
        "to; the address is the one for clients",
      fallback: "",
    }),
    parse: parseAddress,
    fallback: { host: "", port: 0 },
  }),
  electionMs: integer("MS", {
    help: "The shortest election timeout; the longest is twice that",
    fallback: 150,
    min: 20,
    max: 60_000,
  }),
  heartbeatMs: integer("MS", {
    help: "How often a leader is heard of; below --election-ms",
    fallback: 50,
    min: 10,
    max: 30_000,
  }),
  waitMs: integer("MS", {
    help:
      "How long a read waits for a leader, and a write for its outcome after a change of leader",
    fallback: 5_000,
    min: 100,
    max: 600_000,
  }),
  snapshotLogBytes: bytes({
    help: "A snapshot is taken, and the log trimmed, when the log behind the last one has more " +
      "bytes than this and than that one",
    fallback: 64 * MIB,
    min: MIB,
    max: 64 * 1024 * MIB,
  }),
  proxyPort: optional(
    portFlag({ help: "Be a proxy as well, for clients on this port; by default it is none" }),
  ),
  ...proxyFlags,
  ...clientFlags,
  allowFaults: toggle({
    help:
      "Obey FAULT, by which any client can let this node fail; for demonstrations and game days",
  }),
  stopWithStdin: toggle({ help: "Stop when standard input ends, for supervisors" }),
} satisfies Flags;

export const nodeSubcommand = subcommand({
  name: "node",
  summary: "one node, leader or follower",
  description:
    "Runs one member of a cluster: keeps the log and the data, answers clients on --port, agrees\n" +
    "with the other members on --raft-port. Who leads is always decided by election.",
  flags,
  examples: [
    "regent node --id n1 --port 7001 --role leader          a cluster of one",
    "regent node --id n1 --port 7001 --peers n1=10.0.0.1:17001,n2=10.0.0.2:17001,n3=10.0.0.3:17001 \\",
    "    --host 10.0.0.1 --dir /var/lib/regent              the same --peers on all three",
    "regent node --id n1 --port 7001                        again, on the directory it has",
    "regent node --id n4 --port 7004 --join 127.0.0.1:7001  a new member of a running cluster",
    "regent node --id n1 --port 7001 --proxy-port 7000      a node and a proxy in one process",
  ],
  async run(values) {
    const node = await startNode(values);
    await Promise.race([endOfService(values.stopWithStdin, node.failed), node.removed]);
    await node.stop();
    return 0;
  },
});

type NodeValues = Values<typeof flags>;

interface RunningNode {
  /** Rejects when the node cannot go on. */
  readonly failed: Promise<never>;
  /** Resolves when the cluster has removed the node. */
  readonly removed: Promise<void>;
  stop(): Promise<void>;
}

/** Builds the parts from the bottom up and starts them; `stop` goes the other way. */
async function startNode(values: NodeValues): Promise<RunningNode> {
  const { id, host, port, role } = values;
  const logger = stderrLogger(id);
  const { raftPort, advertise } = addresses(values);
  if (values.join !== undefined && values.peers.size > 0) {
    throw new UsageError(
      "Cannot use --join with --peers: the one enters a cluster, the other founds one",
    );
  }
  if (values.heartbeatMs >= values.electionMs) {
    throw new UsageError(
      `Cannot use --heartbeat-ms: it must be below --election-ms: current value is ${values.heartbeatMs}`,
    );
  }
  const failure = Promise.withResolvers<never>();
  const removal = Promise.withResolvers<void>();
  failure.promise.catch(() => {}); // whoever runs the node awaits it later

  const directory = values.dir || `data/${id}`;
  const ownDisk = await DenoDisk.open(directory);
  const faults = values.allowFaults ? new NodeFaults(logger) : null;
  const disk = faults?.disk(ownDisk) ?? ownDisk;
  const stored = readIdentity(disk);
  const raftAddress = values.peers.get(id) ?? { host: advertise, port: raftPort };
  const { clusterId, members: first } = stored ??
    (values.join === undefined
      ? foundCluster(values, raftPort, advertise)
      : await joinCluster(id, raftAddress, values.join, logger));
  const { identity, log, snapshots } = openDataDirectory(disk, {
    nodeId: id,
    clusterId,
    members: first,
    nonce: crypto.randomUUID(),
    segmentBytesMax: Math.min(64 * MIB, values.snapshotLogBytes / 2),
    logger,
    onFailure: (error) => {
      node.stop(); // nothing is acknowledged any more
      failure.reject(
        new UserError(`Cannot go on, the log in ${directory} failed: ${error.message}`),
      );
    },
  });
  const members = currentMembers(identity, values.peers);
  const isNew = log.lastIndex() === 0;

  const machine = new StateMachine({
    stringBytesMax: VALUE_BYTES_MAX,
    hashSeed: crypto.getRandomValues(new Int32Array(HASH_SEED_WORDS)),
  });
  restoreNewest(snapshots, machine);
  const clientAddress = { host: advertise, port };
  const node: Node = new Node({
    id,
    clusterId: identity.clusterId,
    members,
    raftAddress,
    clientAddress,
    moved: movedMembers(identity, values.peers),
    onRemoved: () => removal.resolve(),
    log,
    snapshots,
    snapshotLogBytes: values.snapshotLogBytes,
    machine,
    clock: systemClock,
    random: Math.random,
    logger,
    standing: role === "leader" ? "eager" : role === "follower" ? "reluctant" : "normal",
    electionMs: values.electionMs,
    heartbeatMs: values.heartbeatMs,
    waitMs: values.waitMs,
  });
  const transport = new PeerTransport({
    id,
    clusterId: identity.clusterId,
    listen: { host, port: raftPort },
    clientAddress,
    raftAddress,
    frameBytesMax: FRAME_BYTES_MAX,
    network: faults?.network(tcpNetwork) ?? tcpNetwork,
    clock: systemClock,
    random: Math.random,
    logger,
  }, faults?.handler(node) ?? node);
  await transport.start();
  node.start(faults?.peers(transport) ?? transport);
  if (role === "leader" && isNew) node.campaign();

  const sessions: NodeSessions = new NodeSessions({
    node,
    machine,
    clock: systemClock,
    facts: processFacts(),
    config: redisConfig(values),
    listener: () => listener,
    ...(faults === null ? {} : { faultTools: faults.tools }),
  });
  const listener: RespListener = await listen({
    address: { host, port },
    handler: faults?.sessions(sessions, () => listener) ?? sessions,
    limits: clientLimits(values),
    clock: systemClock,
    logger,
  });
  logger.info(
    `serves clients on ${host}:${port}, members on ${host}:${raftPort}, data in ${directory}`,
  );
  const proxy = values.proxyPort === undefined ? null : await startProxy(values, {
    address: { host, port: values.proxyPort },
    seeds: [clientAddress],
    logger: stderrLogger(`${id} proxy`),
  });

  return {
    failed: failure.promise,
    removed: removal.promise,
    stop() {
      proxy?.stop();
      faults?.stop();
      node.stop();
      listener.close();
      transport.stop();
      log.close();
      snapshots.close();
      ownDisk.close();
      return Promise.resolve();
    },
  };
}

function addresses({ port, raftPort, host, advertise }: NodeValues) {
  const raft = raftPort ?? port + RAFT_PORT_OFFSET;
  if (raft > 65_535) {
    throw new UsageError(`Cannot derive the Raft port from --port ${port}: give --raft-port`);
  }
  if (advertise === "" && (host === "0.0.0.0" || host === "::")) {
    throw new UsageError(`Cannot tell others to reach this node at ${host}: give --advertise HOST`);
  }
  return { raftPort: raft, advertise: advertise || host };
}

/** Who the members of a new cluster are, and its id: the same on all that were told the same. */
function foundCluster(
  { id, role, peers }: NodeValues,
  raftPort: number,
  advertise: string,
): Pick<Identity, "clusterId" | "members"> {
  if (peers.size === 0) {
    if (role !== "leader") {
      throw new UsageError(
        "Cannot start on an empty directory without --peers (a new cluster of these members), " +
          "--role leader (a new cluster of this node), or --join (a running cluster)",
      );
    }
    return {
      clusterId: newClusterId(),
      members: new Map([[id, `${advertise}:${raftPort}`]]),
    };
  }
  if (!peers.has(id)) {
    throw new UsageError(`Cannot be ${id}: --peers names only ${[...peers.keys()].join(", ")}`);
  }
  const members = new Map([...peers].map(([peer, address]) => [peer, formatAddress(address)]));
  return { clusterId: clusterIdOf(members), members };
}

/** The members as the directory knows them, at the addresses they have now. */
function currentMembers(
  { nodeId, members }: Identity,
  peers: ReadonlyMap<string, Address>,
): ReadonlyMap<string, Address> {
  if (peers.size === 0) {
    return new Map([...members].map(([member, address]) => [member, parseAddress(address)]));
  }
  const known = [...members.keys()].sort().join(", ");
  const given = [...peers.keys()].sort().join(", ");
  if (known !== given) {
    throw new UserError(
      `Cannot change the members of ${nodeId}'s cluster by --peers: it has ${known}, given are ${given}`,
    );
  }
  return peers;
}

/** Members that are elsewhere than where the cluster was founded, as the operator says. */
function movedMembers(
  { members }: Identity,
  peers: ReadonlyMap<string, Address>,
): ReadonlyMap<string, Address> {
  return new Map([...peers].filter(([id, address]) => members.get(id) !== formatAddress(address)));
}

/** Settings under the names that Redis's clients ask for. */
function redisConfig({ port, clientsMax, bulkBytesMax, host, dir, id }: NodeValues) {
  return new Map([
    ["appendfsync", "always"],
    ["appendonly", "yes"],
    ["bind", host],
    ["databases", "1"],
    ["dir", dir || `data/${id}`],
    ["maxclients", String(clientsMax)],
    ["maxmemory", "0"],
    ["maxmemory-policy", "noeviction"],
    ["port", String(port)],
    ["proto-max-bulk-len", String(bulkBytesMax)],
    ["save", ""],
  ]);
}
