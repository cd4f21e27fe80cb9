import { crc32 } from "../../base/bytes.ts";
import { messageOf, UserError } from "../../base/errors.ts";
import { type Logger, silentLogger } from "../../base/logger.ts";
import type { Disk } from "../../platform/disk.ts";
import type { NodeId } from "../../raft/types.ts";
import { DiskSnapshots } from "../snapshots/disk_snapshots.ts";
import type { SnapshotMeta } from "../snapshots/snapshot.ts";
import { SNAPSHOT_DIRECTORY } from "../snapshots/snapshot_format.ts";
import { StrayFiles } from "../stray_files.ts";
import { DiskLog } from "./disk_log.ts";

const IDENTITY_FORMAT = 2;
/** The format without an incarnation. The next start adds one. */
const FORMAT_WITHOUT_INCARNATION = 1;
const READABLE_FORMATS: readonly number[] = [FORMAT_WITHOUT_INCARNATION, IDENTITY_FORMAT];
const IDENTITY_PATH = "identity.json";
const NEW_IDENTITY_PATH = "identity.json.new";
/** Locked by the process that uses the directory. */
export const LOCK_NAME = "lock";
/** Exists in a directory that is the root of a file system. */
export const LOST_AND_FOUND_NAME = "lost+found";
/** The new content of a restore or recovery, before it is put in place. */
export const STAGING_NAME = "staging";
export const INSTALLING_NAME = "installing";
/** Contents of files, which the state only describes. A recovery leaves them in place. */
export const FILES_NAME = "files";
/** Prefix of the names under which a recovery keeps the old content. */
export const KEPT_PREFIX = "before-recovery-";
/** The secret of the cluster, which an operator or `regent cluster` has put there. */
export const SECRET_NAME = "cluster-secret";

const OUR_NAMES: readonly string[] = [
  SECRET_NAME,
  LOCK_NAME,
  IDENTITY_PATH,
  NEW_IDENTITY_PATH,
  "log",
  SNAPSHOT_DIRECTORY,
  LOST_AND_FOUND_NAME,
  STAGING_NAME,
  INSTALLING_NAME,
  FILES_NAME,
];

/** The node that the directory belongs to, for life. */
export interface Identity {
  readonly nodeId: NodeId;
  /** Empty until a joining node knows its cluster. */
  readonly clusterId: string;
  /**
   * Random identity of this directory, created with it. The cluster records which incarnation
   * belongs to which id, so that it recognizes an empty directory under an old id.
   */
  readonly incarnation: string;
  /** Each member's Raft address as first given. Addresses may have changed since. */
  readonly members: ReadonlyMap<NodeId, string>;
  /** The founders' incarnations as noted by this node. Empty on a node that joined. */
  readonly founders: ReadonlyMap<NodeId, string>;
  /** Whether the node may take part: it joined, or all founders noted the same incarnations. */
  readonly isFounded: boolean;
  /** Settings of the last start, used by later starts that do not give them. */
  readonly settings: NodeSettings;
}

/** Settings of a node that outlive a start. */
export interface NodeSettings {
  readonly host?: string;
  readonly advertise?: string;
  readonly raftPort?: number;
  /** Raft port at which others reach the node, if not its own. */
  readonly advertiseRaftPort?: number;
  /** Memory bound of a cluster that it founds, in bytes; 0 means as much as possible. */
  readonly memoryBytesMax?: number;
}

export interface DataDirectoryOptions {
  readonly nodeId: NodeId;
  /** `null` accepts whichever cluster the directory belongs to. A new directory needs an id. */
  readonly clusterId: string | null;
  /** Used when the directory is new. */
  readonly members: ReadonlyMap<NodeId, string>;
  /** For a new log; see `DiskLogOptions`. */
  readonly nonce: string;
  /** Used when the directory is new or has none. @default the nonce */
  readonly incarnation?: string;
  /** Used when the directory is new; see `Identity`. @default true */
  readonly isFounded?: boolean;
  /**
   * Called when a write or sync failed. Nothing is acknowledged afterwards, and the process should
   * end.
   */
  readonly onFailure: (error: Error) => void;
  readonly segmentBytesMax?: number;
  readonly logger?: Logger;
}

export interface DataDirectory {
  readonly identity: Identity;
  readonly log: DiskLog;
  /** The newest snapshot covers everything that the log lacks. */
  readonly snapshots: DiskSnapshots;
}

interface StoredIdentity extends Identity {
  /** Whether there was a log, so that a missing log is a loss. */
  readonly hasLog: boolean;
}

/**
 * Reads the directory's identity; `null` when the directory is new.
 *
 * @throws {UserError} when the directory is not ours, or its identity cannot be read
 */
export function readIdentity(disk: Disk): Identity | null {
  return readStored(disk);
}

/**
 * Opens a node's directory, or initializes an empty one. The caller holds the lock.
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
  const { incarnation = options.nonce } = options;
  const identity: StoredIdentity = stored === null
    ? {
      nodeId,
      clusterId: clusterId ?? "",
      incarnation,
      members: options.members,
      founders: new Map(),
      isFounded: options.isFounded ?? true,
      settings: {},
      hasLog: false,
    }
    : { ...stored, incarnation: stored.incarnation || incarnation };
  // Write the identity first: a crash before the log exists leaves a directory that is known to be
  // this node's and unused.
  if (stored?.incarnation !== identity.incarnation) writeIdentity(disk, identity);
  // The process that wrote the identity may have died before the file's name was durable. A power
  // failure could lose the name, and leave a log that belongs to nobody.
  else disk.syncDirectoryNow("");
  const strays = new StrayFiles(disk, options.logger ?? silentLogger);
  for (const name of foreignIn(disk)) strays.found(name);
  const snapshots = DiskSnapshots.open(disk, { ...options, clusterId: identity.clusterId });
  const log = openLog(disk, options, identity, snapshots);
  if (!identity.hasLog) writeIdentity(disk, { ...identity, hasLog: true });
  const { hasLog: _hasLog, ...known } = identity;
  return { identity: known, log, snapshots };
}

/**
 * Stores an identity durably and atomically. The caller holds the lock.
 *
 * @throws {UserError} when the directory is not ours, or its identity cannot be read
 */
export function saveIdentity(disk: Disk, identity: Identity): void {
  writeIdentity(disk, { ...identity, hasLog: readStored(disk)?.hasLog ?? false });
}

/** Opens the log, and lets the snapshot replace it if a crash interrupted that. */
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
  if (snapshot !== null) replaceLog(log, snapshot, options.logger);
  isOpen = true;
  return log;
}

/**
 * Replaces the log by the snapshot, unless the log contains the snapshot's last entry. A snapshot
 * from another node first becomes durable, and then replaces the log. A snapshot that this node
 * took may be ahead of the log too, if its last entries were committed by a majority without this
 * node.
 */
function replaceLog(log: DiskLog, { index, term }: SnapshotMeta, logger = silentLogger): void {
  if (index <= log.lastIndex() && log.term(index) === term) return;
  logger.info(
    `the snapshot of entry ${index} replaces the log, which ends with entry ` +
      `${log.lastIndex()}`,
  );
  // A node that took part in a later term has that term in its log.
  const hardState = log.hardState().term < term ? { term, vote: null } : null;
  log.reset(index, term, hardState, () => {});
}

function readStored(disk: Disk): StoredIdentity | null {
  const names = disk.list("");
  const foreign = foreignIn(disk)[0];
  // Where there is an identity, the directory belongs to a node, and foreign files do no harm.
  if (foreign !== undefined && !names.includes(IDENTITY_PATH)) {
    throw new UserError(
      `Cannot use ${disk.root}: it holds ${JSON.stringify(foreign)}, which is not Regent's; ` +
        `choose an empty directory, or move it away`,
    );
  }
  const bytes = disk.read(IDENTITY_PATH);
  if (bytes !== null) return parseIdentity(disk, bytes);
  const unfinished = [STAGING_NAME, INSTALLING_NAME].find((name) => names.includes(name));
  if (unfinished !== undefined) {
    throw new UserError(
      `Cannot use ${disk.root}: it holds ${JSON.stringify(unfinished)}, since a restore or a ` +
        `recovery was interrupted; run the same command again`,
    );
  }
  const remains = ["log", SNAPSHOT_DIRECTORY].find((name) => names.includes(name));
  if (remains !== undefined) {
    throw new UserError(
      `Cannot use ${disk.root}: it holds ${
        remains === "log" ? "a log" : remains
      } but no ${IDENTITY_PATH}; ` +
        `restore that file from a copy of this same node, or choose an empty directory`,
    );
  }
  return null;
}

function foreignIn(disk: Disk): string[] {
  return disk.list("").filter((name) => !OUR_NAMES.includes(name) && !name.startsWith(KEPT_PREFIX));
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
        `restore it from a copy of this same node`,
    );
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw refuse(messageOf(error));
  }
  if (typeof fields !== "object" || fields === null) throw refuse("it is not a JSON object");
  const { format } = fields;
  if (typeof format === "number" && !READABLE_FORMATS.includes(format)) {
    throw new UserError(
      `Cannot read ${disk.root}/${IDENTITY_PATH}: its format is ${format} and this version reads ` +
        `${READABLE_FORMATS.join(" and ")}; use the version of Regent that wrote it`,
    );
  }
  const isOld = format === FORMAT_WITHOUT_INCARNATION;
  const { nodeId, clusterId, members, hasLog } = fields;
  const { incarnation, founders, isFounded, settings } = isOld
    ? { incarnation: "", founders: {}, isFounded: true, settings: {} }
    : fields;
  const isWhole = typeof format === "number" && typeof nodeId === "string" &&
    typeof clusterId === "string" && typeof hasLog === "boolean" &&
    typeof incarnation === "string" && typeof isFounded === "boolean" &&
    [members, founders, settings].every((value) => typeof value === "object" && value !== null);
  if (!isWhole) throw refuse("a field is missing or wrong");
  const { checksum: _checksum, ...content } = fields;
  if (fields["checksum"] !== checksumOf(content)) {
    throw refuse("its checksum does not match: a field was changed or damaged");
  }
  const addresses = textsOf(members);
  const incarnations = textsOf(founders);
  if (addresses === null || incarnations === null) throw refuse("a member is wrong");
  return {
    nodeId,
    clusterId,
    incarnation,
    members: addresses,
    founders: incarnations,
    isFounded,
    settings: settings as NodeSettings,
    hasLog,
  };
}

/** The fields of an object whose values are all strings; `null` for any other object. */
function textsOf(fields: unknown): Map<string, string> | null {
  const entries = Object.entries(fields as Record<string, unknown>);
  const texts = entries.filter((entry): entry is [string, string] => typeof entry[1] === "string");
  return texts.length === entries.length ? new Map(texts) : null;
}

/**
 * The checksum of the fields. The file is text for people, but a damaged id or address must not
 * name another member.
 */
function checksumOf(fields: object): string {
  const bytes = new TextEncoder().encode(JSON.stringify(fields));
  return crc32(bytes).toString(16).padStart(8, "0");
}

/** Writes the identity so that a crash leaves either the old one or the new one. */
function writeIdentity(disk: Disk, identity: StoredIdentity): void {
  const { nodeId, clusterId, incarnation, members, founders, isFounded, settings } = identity;
  const fields = {
    format: IDENTITY_FORMAT,
    nodeId,
    clusterId,
    incarnation,
    members: Object.fromEntries(members),
    founders: Object.fromEntries(founders),
    isFounded,
    settings,
    hasLog: identity.hasLog,
  };
  const text = JSON.stringify({ ...fields, checksum: checksumOf(fields) }, null, 2);
  if (disk.list("").includes(NEW_IDENTITY_PATH)) disk.remove(NEW_IDENTITY_PATH);
  const file = disk.open(NEW_IDENTITY_PATH, "create");
  file.write(new TextEncoder().encode(`${text}\n`), 0);
  file.syncNow();
  file.close();
  disk.rename(NEW_IDENTITY_PATH, IDENTITY_PATH);
  disk.syncDirectoryNow("");
}
