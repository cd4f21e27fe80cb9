import { formatAddress } from "../base/address.ts";
import { UserError } from "../base/errors.ts";
import { maxmemoryRequest } from "../commands/config_set.ts";
import { MACHINE_RULES, type MachineRules, StateMachine } from "../commands/state_machine.ts";
import {
  FILES_NAME,
  openDataDirectory,
  readIdentity,
  saveIdentity,
} from "../node/log/data_directory.ts";
import { BUILD_VERSIONS, type BuildVersions } from "../node/members/versions.ts";
import { Node } from "../node/node.ts";
import { PeerTransport } from "../node/peers/transport.ts";
import { restoreNewest } from "../node/snapshots/node_snapshots.ts";
import { systemClock } from "../platform/clock.ts";
import { DenoDisk } from "../platform/deno_disk.ts";
import type { Address } from "../platform/network.ts";
import {
  clientsThatFit,
  endOfService,
  hasNoFreeDescriptors,
  processFacts,
  stderrLogger,
} from "../platform/process.ts";
import { listen, type RespListener } from "../server/listener.ts";
import { NodeFrontend } from "../server/node_frontend.ts";
import { HASH_SEED_WORDS } from "../store/key_table.ts";
import { bootstrap, currentMembers, newIncarnation, parseId, parsePeers } from "./bootstrap.ts";
import { clientFlags, clientLimits, redisSettings, withClientsThatFit } from "./client_flags.ts";
import { readClusterSecret, secretFlags, secretOf } from "./cluster_secret.ts";
import { type Subcommand, subcommand } from "./command_line.ts";
import {
  addressFlag,
  bytes,
  choice,
  directoryFlag,
  type Flags,
  hostFlag,
  integer,
  optional,
  port as portFlag,
  text,
  toggle,
  UsageError,
  type Values,
} from "./flags.ts";
import { knownMembers, movedMembers, othersThan } from "./known_members.ts";
import { memoryFlag, warnOfOtherMemoryBound } from "./memory_bound.ts";
import { NodeFaults } from "./node_faults.ts";
import { checkReachable, nodePlace } from "./node_place.ts";
import { proxyClientsWanted, proxyFlags, startProxy } from "./proxy.ts";
import { useCredentials } from "./resp_client.ts";
import {
  descriptorsWanted,
  type ServiceDescriptors,
  shareDescriptors,
} from "./services/descriptors.ts";
import { fileFlags, filesStorage, holdsFiles } from "./services/file_flags.ts";
import { httpFlags, startServices } from "./services/services.ts";
import {
  openLinks,
  PEER_CONNECTIONS_MAX,
  refuseAllButNodes,
  tlsFlags,
  tlsSettings,
} from "./tls.ts";

/** Maximum size of a log entry: that of a record, which has room for the largest request. */
const ENTRY_BYTES_MAX = 512 * 1024 * 1024;
const MIB = 1024 * 1024;
/** Time in milliseconds between a handover and the end of the connections. */
const FAREWELL_MS = 50;

const flags = {
  id: { ...text("ID", { help: "The node's id, which never changes" }), parse: parseId },
  port: portFlag({ help: "Port for clients" }),
  raftPort: optional(
    portFlag({
      help: "Port for the other nodes; by default that of the last start, or else --port + 10000",
    }),
  ),
  advertiseRaftPort: optional(
    portFlag({
      help: "Port at which the other nodes reach this one, if a router forwards another port to " +
        "--raft-port; by default that of the last start, or else --raft-port",
    }),
  ),
  host: hostFlag({
    help: "Host or IP address to listen on; by default that of the last start, or else 127.0.0.1",
    defaultValue: "",
  }),
  advertise: hostFlag({
    help: "Host or IP address at which others reach this node; by default that of the last start " +
      "with the same --host, or else --host",
    defaultValue: "",
  }),
  dir: directoryFlag({ help: "The data directory; by default data/ID", defaultValue: "" }),
  role: optional(choice(["leader", "follower"], {
    help: "leader: prefer to lead; on an empty directory, also stand for election at once, and " +
      "found a cluster of this node alone if there are no --peers; follower: let other nodes " +
      "stand for election first; by default neither",
    defaultValue: "follower",
  })),
  peers: {
    ...text("ID=HOST:PORT,…", {
      help: "All members of a new cluster with their Raft addresses, the same on every node; on " +
        "later starts, their new addresses if these have changed",
      defaultValue: "",
    }),
    parse: parsePeers,
    defaultValue: new Map<string, Address>(),
  },
  join: optional(addressFlag({
    help: "Join the running cluster of the node or proxy at this address for clients; ignored on " +
      "a directory with data",
  })),
  electionMs: integer("MS", {
    help: "Minimum election timeout; each timeout is random, up to twice as long",
    defaultValue: 150,
    min: 20,
    max: 60_000,
  }),
  heartbeatMs: integer("MS", {
    help: "Interval between a leader's heartbeats; must be below --election-ms",
    defaultValue: 50,
    min: 10,
    max: 30_000,
  }),
  waitMs: integer("MS", {
    help: "Maximum time for which a read waits for a leader, and a write for its outcome after a " +
      "change of leader",
    defaultValue: 5_000,
    min: 100,
    max: 600_000,
  }),
  clockOffsetMsMax: integer("MS", {
    help: "Maximum offset of the node's clock from the median of the members' clocks; above it, " +
      "the node does not lead",
    defaultValue: 10_000,
    min: 1_000,
    max: 86_400_000,
  }),
  snapshotLogBytes: bytes({
    help: "Take a snapshot and compact the log when the log since the last snapshot is larger " +
      "than this, and larger than that snapshot",
    defaultValue: 64 * MIB,
    min: MIB,
    max: 64 * 1024 * MIB,
  }),
  proxyPort: optional(
    portFlag({
      help: "Run a proxy in this process as well, on this port; by default there is none",
    }),
  ),
  ...httpFlags,
  ...fileFlags,
  ...proxyFlags,
  ...clientFlags,
  ...tlsFlags,
  ...secretFlags,
  memoryBytesMax: memoryFlag,
  allowFaults: toggle({
    help:
      "Obey the FAULT command, with which any client can make this node fail; for demonstrations " +
      "and game days",
  }),
  stopWithStdin: toggle({ help: "Stop when standard input ends, for use under a supervisor" }),
} satisfies Flags;

/** The parts of a node that depend on the build. */
export interface NodeBuild {
  readonly versions: BuildVersions;
  readonly rules: readonly MachineRules[];
}

const THIS_BUILD: NodeBuild = { versions: BUILD_VERSIONS, rules: MACHINE_RULES };

export const nodeSubcommand = nodeSubcommandOf(THIS_BUILD);

/** `regent node` for a given build. Tests run several builds in one cluster. */
export function nodeSubcommandOf(build: NodeBuild): Subcommand {
  return subcommand({
    name: "node",
    summary: "run one node of a cluster",
    description:
      "Runs one member of a cluster: it stores the log and the data, serves clients on --port, " +
      "and talks to the other members on --raft-port. The members elect the leader, whatever " +
      "--role says.",
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
      const ending = endOfService(values.stopWithStdin, new Promise<never>(() => {}));
      const node = await startNode(values, build, ending);
      if (node === null) return 0;
      await Promise.race([ending, node.failed, node.removed]);
      await node.stop();
      return 0;
    },
  });
}

type NodeValues = Values<typeof flags>;

interface RunningNode {
  /** Rejects when the node cannot go on. */
  readonly failed: Promise<never>;
  /** Resolves when the node was removed from the cluster. */
  readonly removed: Promise<void>;
  stop(): Promise<void>;
}

/**
 * Builds the parts from the bottom up and starts them. `stop` stops them from the top down.
 *
 * @param ending settles when the process should end, even while the node waits for others
 * @returns `null` when `ending` settles first
 */
async function startNode(
  values: NodeValues,
  build: NodeBuild,
  ending: Promise<unknown>,
): Promise<RunningNode | null> {
  const { id, port, role } = values;
  const logger = stderrLogger(id);
  if (values.join !== undefined && values.peers.size > 0) {
    throw new UsageError(
      "Cannot use --join with --peers: --join enters a running cluster, --peers founds a new one",
    );
  }
  if (values.heartbeatMs >= values.electionMs) {
    throw new UsageError(
      `Cannot use --heartbeat-ms: it must be below --election-ms: ` +
        `current value is ${values.heartbeatMs}`,
    );
  }
  const failure = Promise.withResolvers<never>();
  const removal = Promise.withResolvers<void>();
  failure.promise.catch(() => {}); // awaited later by whoever runs the node

  const tls = tlsSettings(values);
  const links = openLinks(tls, logger, (peer) => peer.isNode(id) ? null : `is that of ${peer}`);
  const directory = values.dir || `data/${id}`;
  const { clientsFitting, descriptors } = whatFits(values, directory);
  const ownDisk = await DenoDisk.open(directory);
  const secret = readClusterSecret(values.clusterSecretFile, logger, directory);
  useCredentials({ secret: secretOf(secret), user: null });
  const stored = readIdentity(ownDisk);
  const remembered = stored?.nodeId === id ? stored.settings : {};
  const place = nodePlace(values, remembered);
  const { host, raftPort, clientAddress, raftAddress } = place;
  const faults = values.allowFaults ? new NodeFaults(logger) : null;
  const disk = faults?.disk(ownDisk) ?? ownDisk;
  if (stored === null && values.join === undefined) checkFounding(values);
  const others = new Map(values.peers);
  if (values.join !== undefined) others.set("the cluster", values.join);
  checkReachable(place, othersThan(id, others));
  const network = links.network({
    port: "the Raft port",
    connectionsMax: PEER_CONNECTIONS_MAX,
    refusePeer: refuseAllButNodes,
  });
  const raftOptions = {
    listen: { host, port: raftPort },
    clientAddress,
    raftAddress,
    entryBytesMax: ENTRY_BYTES_MAX,
    network: faults?.network(network) ?? network,
    clock: systemClock,
    random: Math.random,
    logger,
  };
  const life = crypto.randomUUID();
  const { peers, join } = values;
  // The limit applies when the cluster is founded, which may be at a later start.
  const firstMemory = values.memoryBytesMax ?? remembered.memoryBytesMax;
  const settings = {
    ...place.settings,
    ...(firstMemory === undefined ? {} : { memoryBytesMax: firstMemory }),
  };
  const confirmed = await bootstrap({
    ...raftOptions,
    id,
    disk,
    stored,
    settings,
    life,
    peers,
    join,
    ending,
  });
  if (confirmed === null) return null;
  const { identity, log, snapshots } = openDataDirectory(disk, {
    nodeId: id,
    clusterId: confirmed.clusterId,
    members: confirmed.members,
    incarnation: newIncarnation(),
    nonce: crypto.randomUUID(),
    segmentBytesMax: Math.min(64 * MIB, values.snapshotLogBytes / 2),
    logger,
    onFailure: (error) => {
      node.stop(); // nothing is acknowledged any more
      failure.reject(
        new UserError(`Cannot go on: the log in ${directory} failed: ${error.message}`),
      );
    },
  });
  if (JSON.stringify(settings) !== JSON.stringify(identity.settings)) {
    saveIdentity(disk, { ...identity, settings });
  }
  const members = currentMembers(identity, values.peers);
  checkReachable(place, othersThan(id, knownMembers(members, { log, snapshots })));
  const isNew = log.lastIndex() === 0;

  const machine = new StateMachine({
    replyBytesMax: values.outputBytesMax,
    version: 0,
    versions: build.versions.machine,
    rules: build.rules,
    hashSeed: crypto.getRandomValues(new Int32Array(HASH_SEED_WORDS)),
  });
  restoreNewest(snapshots, machine);
  const { incarnation, founders } = identity;
  const node: Node = new Node({
    id,
    clusterId: identity.clusterId,
    incarnation,
    founders,
    members,
    raftAddress,
    clientAddress,
    moved: movedMembers(identity, values.peers),
    onRemoved: () => removal.resolve(),
    onRefused: (sentence) => failure.reject(new UserError(sentence)),
    onFailure: (error) => failure.reject(error),
    versions: build.versions,
    log,
    snapshots,
    snapshotLogBytes: values.snapshotLogBytes,
    machine,
    firstWrites: firstMemory === undefined ? [] : [maxmemoryRequest(firstMemory)],
    clock: systemClock,
    random: Math.random,
    logger,
    standing: role === "leader" ? "eager" : role === "follower" ? "reluctant" : "normal",
    electionMs: values.electionMs,
    heartbeatMs: values.heartbeatMs,
    waitMs: values.waitMs,
    clockOffsetMsMax: values.clockOffsetMsMax,
  });
  const transport = new PeerTransport({
    ...raftOptions,
    id,
    clusterId: identity.clusterId,
    credentials: () => (
      { incarnation, life, founders: Object.fromEntries(founders), isFounded: true }
    ),
    versions: build.versions,
  }, faults?.handler(node) ?? node);
  await transport.start();
  node.start(faults?.peers(transport) ?? transport);
  if (role === "leader" && isNew) node.campaign();
  const wantedMemory = values.memoryBytesMax;
  const cancelMemoryCheck = wantedMemory === undefined
    ? () => {}
    : warnOfOtherMemoryBound({ wanted: wantedMemory, node, machine, clock: systemClock, logger });

  const fitting = withClientsThatFit(values, clientsFitting, logger);
  const frontend: NodeFrontend = new NodeFrontend({
    node,
    machine,
    clock: systemClock,
    facts: processFacts(),
    config: new Map(redisSettings({ host, port }, fitting, directory)),
    listener: () => listener,
    secret: secretOf(secret),
    logger,
    ...(faults === null ? {} : { faultTools: faults.tools }),
  });
  const listener: RespListener = await listen({
    address: { host, port },
    handler: faults?.frontend(frontend, () => listener) ?? frontend,
    limits: clientLimits(fitting),
    gate: links.gate({ port: "the port for clients", connectionsMax: fitting.clientsMax }),
    hasNoFreeDescriptors,
    clock: systemClock,
    logger,
  });
  logger.info(
    `serves clients on ${formatAddress({ host, port })}, members on ` +
      `${formatAddress({ host, port: raftPort })}, data in ${directory}`,
  );
  const proxy = values.proxyPort === undefined ? null : await startProxy(values, {
    address: { host, port: values.proxyPort },
    seeds: [clientAddress],
    clientsFitting,
    links,
    secret,
    logger: stderrLogger(`${id} proxy`),
  });
  const services = await startServices(values, {
    name: id,
    address: { host, port },
    seeds: [{ host, port }],
    bulkBytesMax: values.bulkBytesMax,
    descriptors,
    copies: values.copies,
    storage: filesStorage(values, {
      nodeId: id,
      clusterId: identity.clusterId,
      directory: `${directory}/${FILES_NAME}`,
      host,
      advertisedHost: clientAddress.host,
    }),
    tls,
    faults: faults?.tools.faults ?? null,
    secret,
    logger,
  });

  return {
    failed: failure.promise,
    removed: removal.promise,
    async stop() {
      logger.info("is asked to stop");
      await new Promise<void>((resolve) => node.handOver(resolve));
      // Let proxies and clients hear of the new leader before their connections end.
      await new Promise((resolve) => setTimeout(resolve, FAREWELL_MS));
      cancelMemoryCheck();
      await services?.close();
      proxy?.stop();
      faults?.stop();
      node.stop();
      listener.close();
      frontend.stop();
      transport.stop();
      log.close();
      snapshots.close();
      ownDisk.close();
      logger.info("has stopped");
    },
  };
}

/**
 * Number of clients for which there are file descriptors, for the node and for its proxy each, and
 * what HTTP and files have beside them.
 */
function whatFits(
  values: NodeValues,
  directory: string,
): { readonly clientsFitting: number; readonly descriptors: ServiceDescriptors } {
  const hasProxy = values.proxyPort !== undefined;
  const ofProxy = hasProxy ? proxyClientsWanted(values) : 0;
  const hasStorage = holdsFiles(values, `${directory}/${FILES_NAME}`);
  const wanted = { http: values, hasStorage };
  const fitting = clientsThatFit(values.clientsMax + ofProxy + descriptorsWanted(wanted));
  const { services: descriptors, clientsFitting } = shareDescriptors(wanted, fitting);
  return {
    clientsFitting: hasProxy ? Math.floor(clientsFitting / 2) : clientsFitting,
    descriptors,
  };
}

/** @throws {UsageError} when no flag says which cluster an empty directory should belong to */
function checkFounding({ id, role, peers }: NodeValues): void {
  if (peers.size === 0 && role !== "leader") {
    throw new UsageError(
      "Cannot start on an empty directory without --peers (a new cluster of these members), " +
        "--role leader (a new cluster of this node), or --join (a running cluster)",
    );
  }
  if (peers.size > 0 && !peers.has(id)) {
    throw new UsageError(
      `Cannot start as ${id}: --peers names only ${[...peers.keys()].join(", ")}`,
    );
  }
}
