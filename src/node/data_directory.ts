import { crc32 } from "../base/crc32.ts";
import { messageOf, UserError } from "../base/errors.ts";
import { type Logger, silentLogger } from "../base/logger.ts";
import type { NodeId } from "../raft/types.ts";
import type { Disk } from "./disk.ts";
import { DiskLog } from "./log/disk_log.ts";
import { DiskSnapshots } from "./snapshots/disk_snapshots.ts";
import type { SnapshotMeta } from "./snapshots/snapshot.ts";
import { SNAPSHOT_DIRECTORY } from "./snapshots/snapshot_files.ts";

const IDENTITY_FORMAT = 1;
const IDENTITY_PATH = "identity.json";
const NEW_IDENTITY_PATH = "identity.json.new";
/** What may stand in a data directory; `lost+found` is where one is a whole file system. */
const OUR_NAMES: readonly string[] = [
  "lock",
  IDENTITY_PATH,
  NEW_IDENTITY_PATH,
  "log",
  SNAPSHOT_DIRECTORY,
  "lost+found",
];

/** Whose directory it is: for life. */
export interface Identity {
  readonly nodeId: NodeId;
  readonly clusterId: string;
  /** Each member's Raft address as it was first given; addresses may have changed since. */
  readonly members: ReadonlyMap<NodeId, string>;
}

export interface DataDirectoryOptions {
  readonly nodeId: NodeId;
  /** `null`: whichever cluster the directory belongs to; it must belong to one then. */
  readonly clusterId: string | null;
  /** Used when the directory is new. */
  readonly members: ReadonlyMap<NodeId, string>;
  /** For a new log: see `DiskLogOptions`. */
  readonly nonce: string;
  /** A write or sync failed: nothing is acknowledged any more, and the process should end. */
  readonly onFailure: (error: Error) => void;
  readonly segmentBytesMax?: number;
  readonly logger?: Logger;
}

export interface DataDirectory {
  readonly identity: Identity;
  readonly log: DiskLog;
  /** The newest one, if any, is there for all that the log does not hold. */
  readonly snapshots: DiskSnapshots;
}

interface StoredIdentity extends Identity {
  /** Whether the log was there once, so that a missing one is a loss. */
  readonly hasLog: boolean;
}

/**
 * The identity that the directory holds; `null` when it is new.
 *
 * @throws {UserError} when the directory is not ours, or its identity cannot be read
 */
export function readIdentity(disk: Disk): Identity | null {
  return readStored(disk);
}

/**
 * Opens a node's directory, or makes a new one of an empty directory. The caller holds the lock.
 *
 * @throws {UserError} when it belongs to another node or cluster, is damaged, or is not ours
 */
export function openDataDirectory(disk: Disk, options: DataDirectoryOptions): DataDirectory {
  const { nodeId, clusterId } = options;
  const stored = readStored(disk);
  if (stored !== null) checkOwner(disk, stored, options);
  else if (clusterId === null) {
    throw new UserError(
      `Cannot start node ${nodeId} on ${disk.root}: the directory is empty; ` +
        `give --peers for a new cluster or --join for a running one`,
    );
  }
  const identity = stored ??
    { nodeId, clusterId: clusterId ?? "", members: options.members, hasLog: false };
  // The identity goes first: a crash before the log is there leaves a directory that is known to
  // be this node's and known to be unused.
  if (stored === null) writeIdentity(disk, identity);
  // The process that wrote it may have died before the name was durable: a loss of power could
  // take it back and leave a log that belongs to nobody.
  else disk.syncDirectory("");
  const snapshots = DiskSnapshots.open(disk, { ...options, clusterId: identity.clusterId });
  const log = openLog(disk, options, identity, snapshots);
  if (!identity.hasLog) writeIdentity(disk, { ...identity, hasLog: true });
  const { members } = identity;
  return { identity: { nodeId, clusterId: identity.clusterId, members }, log, snapshots };
}

/** Opens the log and lets the snapshot take its place, if a crash came in between. */
function openLog(
  disk: Disk,
  options: DataDirectoryOptions,
  { clusterId, hasLog }: StoredIdentity,
  snapshots: DiskSnapshots,
): DiskLog {
  const snapshot = snapshots.newest();
  let isOpen = false;
  const onFailure = (error: Error) => {
    if (!isOpen) throw error;
    options.onFailure(error);
  };
  let log: DiskLog;
  try {
    log = DiskLog.open(disk, { ...options, clusterId, create: !hasLog, snapshot, onFailure });
  } catch (error) {
    if (!(error instanceof UserError) || snapshots.damage.length === 0) throw error;
    throw new UserError(`${snapshots.damage.join(". ")}. ${error.message}`, { cause: error });
  }
  if (snapshot !== null) putInPlace(log, snapshot, options.logger);
  isOpen = true;
  return log;
}

/**
 * A snapshot that another node sent becomes durable first, and takes the place of the log then. One
 * that this node took may be ahead of the log too, if the majority that committed its last entries
 * were others.
 */
function putInPlace(log: DiskLog, { index, term }: SnapshotMeta, logger = silentLogger): void {
  if (index <= log.lastIndex() && log.term(index) === term) return;
  logger.info(
    `the snapshot of entry ${index} takes the place of the log, which ends with entry ` +
      `${log.lastIndex()}`,
  );
  // A node that has taken part in a later term has that term in its log.
  const hardState = log.hardState().term < term ? { term, vote: null } : null;
  log.reset(index, term, hardState, () => {});
}

function readStored(disk: Disk): StoredIdentity | null {
  const names = disk.list("");
  const foreign = names.find((name) => !OUR_NAMES.includes(name));
  if (foreign !== undefined) {
    throw new UserError(
      `Cannot use ${disk.root}: it holds ${JSON.stringify(foreign)}, which is not Regent's; ` +
        `choose an empty directory, or move it away`,
    );
  }
  const bytes = disk.read(IDENTITY_PATH);
  if (bytes !== null) return parseIdentity(disk, bytes);
  const remains = ["log", SNAPSHOT_DIRECTORY].find((name) => names.includes(name));
  if (remains !== undefined) {
    throw new UserError(
      `Cannot use ${disk.root}: it holds ${
        remains === "log" ? "a log" : remains
      } but no ${IDENTITY_PATH}; ` +
        `restore that file from a copy of this very node, or choose an empty directory`,
    );
  }
  return null;
}

function checkOwner(disk: Disk, stored: Identity, options: DataDirectoryOptions): void {
  const { nodeId, clusterId } = options;
  if (stored.nodeId !== nodeId) {
    throw new UserError(
      `Cannot start node ${nodeId} on ${disk.root}: the directory belongs to node ` +
        `${stored.nodeId}; start with --id ${stored.nodeId}, or choose another directory`,
    );
  }
  if (clusterId !== null && stored.clusterId !== clusterId) {
    throw new UserError(
      `Cannot start node ${nodeId} on ${disk.root}: the directory belongs to cluster ` +
        `${stored.clusterId}, not to ${clusterId}; choose another directory`,
    );
  }
}

function parseIdentity(disk: Disk, bytes: Uint8Array): StoredIdentity {
  const refuse = (what: string) =>
    new UserError(
      `Cannot read ${disk.root}/${IDENTITY_PATH}: ${what}; ` +
        `restore it from a copy of this very node`,
    );
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw refuse(messageOf(error));
  }
  if (typeof fields !== "object" || fields === null) throw refuse("it is no JSON object");
  const { format, nodeId, clusterId, members, hasLog } = fields;
  if (typeof format === "number" && format !== IDENTITY_FORMAT) {
    throw new UserError(
      `Cannot read ${disk.root}/${IDENTITY_PATH}: its format is ${format} and this version reads ` +
        `${IDENTITY_FORMAT}; use the version of Regent that wrote it`,
    );
  }
  const isWhole = format === IDENTITY_FORMAT && typeof nodeId === "string" &&
    typeof clusterId === "string" && typeof hasLog === "boolean" &&
    typeof members === "object" && members !== null;
  if (!isWhole) throw refuse("a field is missing or wrong");
  if (fields["checksum"] !== checksumOf({ format, nodeId, clusterId, members, hasLog })) {
    throw refuse("its checksum does not fit: a field was changed or damaged");
  }
  const addresses = Object.entries(members);
  if (!addresses.every(([, address]) => typeof address === "string")) {
    throw refuse("a member's address is wrong");
  }
  return { nodeId, clusterId, members: new Map(addresses), hasLog };
}

/** A member whose id or address rots must not become another: the text is for people, this is not. */
function checksumOf(fields: object): string {
  const bytes = new TextEncoder().encode(JSON.stringify(fields));
  return crc32(bytes).toString(16).padStart(8, "0");
}

/** In one step, as far as a crash can tell. */
function writeIdentity(disk: Disk, identity: StoredIdentity): void {
  const { nodeId, clusterId, members, hasLog } = identity;
  const fields = {
    format: IDENTITY_FORMAT,
    nodeId,
    clusterId,
    members: Object.fromEntries(members),
    hasLog,
  };
  const text = JSON.stringify({ ...fields, checksum: checksumOf(fields) }, null, 2);
  if (disk.list("").includes(NEW_IDENTITY_PATH)) disk.remove(NEW_IDENTITY_PATH);
  const file = disk.open(NEW_IDENTITY_PATH, "create");
  file.write(new TextEncoder().encode(`${text}\n`), 0);
  file.syncNow();
  file.close();
  disk.rename(NEW_IDENTITY_PATH, IDENTITY_PATH);
  disk.syncDirectory("");
}
