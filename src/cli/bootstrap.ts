import { createHash, randomUUID } from "node:crypto";
import { formatAddress } from "../base/address.ts";
import { messageOf, UserError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { type Identity, type NodeSettings, saveIdentity } from "../node/log/data_directory.ts";
import { Founding, type FoundingOptions } from "../node/members/founding.ts";
import type { Disk } from "../platform/disk.ts";
import type { Address } from "../platform/network.ts";
import { readAddress } from "./flags.ts";
import { fieldsOf, requestOfLeader } from "./resp_client.ts";

/**
 * The id of a new cluster. It is the same for all founders that are given the same members.
 *
 * @param members Raft addresses by id
 * @param content digest of the initial content. @default none
 */
export function clusterIdOf(members: ReadonlyMap<string, string>, content = ""): string {
  const list = [...members].map(([id, address]) => `${id}=${address}`).sort();
  const text = content === "" ? list.join() : `${list.join()};${content}`;
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

/** A cluster id that no other node can guess. */
export function newClusterId(): string {
  return randomUUID().replaceAll("-", "");
}

/** A random identity for a new data directory. */
export function newIncarnation(): string {
  return randomUUID().replaceAll("-", "");
}

/** Ids appear in files, in `CLUSTER NODES` and in tables, so they cannot contain separators. */
export function parseId(value: string): string {
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(value)) {
    throw new UserError("expected up to 64 letters, digits, dots, dashes and underscores");
  }
  return value;
}

/**
 * Parses `ID=HOST:PORT,…`.
 *
 * @throws {UserError} when it is malformed, or has an id or an address twice
 */
export function parsePeers(value: string): Map<string, Address> {
  const peers = new Map<string, Address>();
  for (const part of value.split(",")) {
    const [, id, address] = /^([^=]+)=(.+)$/.exec(part.trim()) ?? [];
    if (id === undefined || address === undefined || peers.has(id)) {
      throw new UserError("expected ID=HOST:PORT,… with each id once");
    }
    const parsed = readAddress(address);
    if (
      [...peers.values()].some(({ host, port }) => host === parsed.host && port === parsed.port)
    ) {
      throw new UserError("expected ID=HOST:PORT,… with each address once");
    }
    peers.set(parseId(id), parsed);
  }
  return peers;
}

export interface JoinRequest {
  readonly id: string;
  readonly raftAddress: Address;
  /** Incarnation of the data directory. It is stored already, so each attempt sends the same. */
  readonly incarnation: string;
  /** Address of a node or proxy. */
  readonly via: Address;
  readonly logger: Logger;
}

/**
 * Asks a running cluster to add this node as a learner, and retries until somebody answers.
 *
 * @returns cluster id and members for the new directory, without this node
 * @throws {UserError} when the leader refuses
 */
async function joinCluster(
  { id, raftAddress, incarnation, via, logger }: JoinRequest,
): Promise<Pick<Identity, "clusterId" | "members">> {
  try {
    const reply = await requestOfLeader({
      addresses: [via],
      args: ["CLUSTER", "JOIN", id, formatAddress(raftAddress), incarnation],
      patienceMs: Infinity,
      onRetry: (reason) => logger.warn(`waits to join: ${reason}`),
    });
    const fields = fieldsOf(reply);
    const members = fieldsOf(fields.get("members") ?? null);
    members.delete(id);
    logger.info(`joins a cluster of ${[...members.keys()].join(", ")}`);
    return {
      clusterId: String(fields.get("cluster-id")),
      members: new Map([...members].map(([member, address]) => [member, String(address)])),
    };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const message = `Cannot join the cluster at ${formatAddress(via)}: ${error.message}`;
    throw new UserError(message, { cause: error });
  }
}

export interface BootstrapOptions extends
  Pick<
    FoundingOptions,
    "life" | "listen" | "clientAddress" | "entryBytesMax" | "network" | "clock" | "random"
  > {
  readonly id: string;
  readonly disk: Disk;
  /** The directory's identity; `null` when the directory is empty. */
  readonly stored: Identity | null;
  readonly peers: ReadonlyMap<string, Address>;
  /** Address of the cluster to join; `undefined` for founders. */
  readonly join: Address | undefined;
  readonly raftAddress: Address;
  /** Stored at once, for later starts without these flags. */
  readonly settings: NodeSettings;
  readonly logger: Logger;
  /** Settles when the process should end. */
  readonly ending: Promise<unknown>;
}

/**
 * Makes sure that the directory belongs to a cluster in which the node may take part: as a founder
 * once all founders have been up at the same time, or as a new member once a running cluster has
 * added it.
 *
 * @returns the identity from now on; `null` when the process should end first
 * @throws {UserError} when the node may not take part
 */
export async function bootstrap(options: BootstrapOptions): Promise<Identity | null> {
  const { disk, id, join } = options;
  let identity = options.stored;
  if (identity !== null && identity.nodeId !== id) return identity; // refused when it is opened
  if (identity === null || shouldStartOver(identity, options)) {
    identity = newIdentity(options);
    saveIdentity(disk, identity);
  }
  if (identity.clusterId === "") {
    if (join === undefined) {
      throw new UserError(
        `Cannot start on ${disk.root}: its node has asked to join a running cluster, and has not ` +
          `received the answer; start it with --join again`,
      );
    }
    const joined = await unlessEnding(askToJoin(options, identity, join), options.ending);
    if (joined === null) return null;
    identity = { ...identity, ...joined, isFounded: true };
    saveIdentity(disk, identity);
  }
  if (identity.isFounded) return identity;
  return await unlessEnding(untilFounded(options, identity), options.ending);
}

/** The members in the directory, at their current addresses. */
export function currentMembers(
  { nodeId, members }: Identity,
  peers: ReadonlyMap<string, Address>,
): ReadonlyMap<string, Address> {
  if (peers.size === 0) {
    return new Map([...members].map(([member, address]) => [member, readAddress(address)]));
  }
  const known = [...members.keys()].sort().join(", ");
  const given = [...peers.keys()].sort().join(", ");
  if (known !== given) {
    throw new UserError(
      `Cannot change the members of ${nodeId}'s cluster by --peers: its members are ${known}, ` +
        `and --peers names ${given}; use --join and regent remove`,
    );
  }
  return peers;
}

/**
 * Whether the directory gets a new identity: the operator now gives other members, or founds a
 * cluster instead of joining one, and the node has not taken part in any cluster yet. The
 * incarnation is new too, since other nodes may have received the first one.
 */
function shouldStartOver({ isFounded, clusterId, members }: Identity, options: BootstrapOptions) {
  const { peers, join, disk } = options;
  if (isFounded || disk.list("").includes("log")) return false;
  if (clusterId === "") return join === undefined && peers.size > 0;
  if (join !== undefined) return true;
  const isSame = peers.size === members.size &&
    [...peers].every(([id, address]) => members.get(id) === formatAddress(address));
  return peers.size > 0 && !isSame;
}

function newIdentity({ id, peers, join, raftAddress, settings }: BootstrapOptions): Identity {
  const addresses = peers.size > 0 ? peers : new Map([[id, raftAddress]]);
  const members = new Map([...addresses].map(([peer, at]) => [peer, formatAddress(at)]));
  const isJoining = join !== undefined;
  const foundedId = peers.size > 0 ? clusterIdOf(members) : newClusterId();
  return {
    nodeId: id,
    clusterId: isJoining ? "" : foundedId,
    incarnation: newIncarnation(),
    members: isJoining ? new Map() : members,
    founders: new Map(),
    isFounded: false,
    settings,
  };
}

function askToJoin(
  { id, raftAddress, logger }: BootstrapOptions,
  { incarnation }: Identity,
  via: Address,
): Promise<Pick<Identity, "clusterId" | "members">> {
  return joinCluster({ id, raftAddress, incarnation, via, logger });
}

/**
 * Waits until all founders have been up at the same time.
 *
 * @throws {UserError} when this directory is not the founder that the others know
 */
async function untilFounded(options: BootstrapOptions, stored: Identity): Promise<Identity> {
  const { disk, peers, settings, ending } = options;
  const members = currentMembers(stored, peers);
  const identity = { ...stored, settings };
  if (JSON.stringify(settings) !== JSON.stringify(stored.settings)) saveIdentity(disk, identity);
  return await new Promise<Identity>((resolve, reject) => {
    const founding = new Founding({
      ...options,
      identity,
      members,
      save: (changed) => saveIdentity(disk, changed),
      onFounded: resolve,
      onRefused: (sentence) => reject(new UserError(sentence)),
      onRemoved: () =>
        reject(
          new UserError(
            `Cannot take part as ${identity.nodeId}: it was removed for good; start this node ` +
              `with --join, a new --id and an empty directory`,
          ),
        ),
      onFailed: (error) =>
        reject(new UserError(`Cannot use ${disk.root}: ${messageOf(error)}`, { cause: error })),
    });
    founding.start().catch(reject);
    void ending.then(() => founding.stop(), () => founding.stop());
  });
}

/** The result of `work`; `null` when the process should end first. */
async function unlessEnding<T>(work: Promise<T>, ending: Promise<unknown>): Promise<T | null> {
  return await Promise.race([work, ending.then(() => null)]);
}
