import { crc32 } from "../../base/bytes.ts";
import { messageOf, UserError } from "../../base/errors.ts";
import { type Logger, silentLogger } from "../../base/logger.ts";
import type { Disk } from "../../platform/disk.ts";
import type { NodeId } from "../../raft/types.ts";
import { DiskSnapshots } from "../snapshots/disk_snapshots.ts";
import type { SnapshotMeta } from "../snapshots/snapshot.ts";
import { SNAPSHOT_DIRECTORY } from "../snapshots/snapshot_files.ts";
import { StrayFiles } from "../stray_files.ts";
import { DiskLog } from "./disk_log.ts";

const IDENTITY_FORMAT = 2;
/** Without an incarnation: written by a version that knew none, and given one at the next start. */
const FORMAT_WITHOUT_INCARNATION = 1;
const READABLE_FORMATS: readonly number[] = [FORMAT_WITHOUT_INCARNATION, IDENTITY_FORMAT];
const IDENTITY_PATH = "identity.json";
const NEW_IDENTITY_PATH = "identity.json.new";
/** Held by the process that works on the directory. */
export const LOCK_NAME = "lock";
/** Where a data directory is a whole file system. */
export const LOST_AND_FOUND_NAME = "lost+found";
/** The new content that a restore or a recovery makes, and puts in place. */
export const STAGING_NAME = "staging";
export const INSTALLING_NAME = "installing";
/** What a recovery has kept of the content before. */
export const KEPT_PREFIX = "before-recovery-";
const OUR_NAMES: readonly string[] = [
  LOCK_NAME,
  IDENTITY_PATH,
  NEW_IDENTITY_PATH,
  "log",
  SNAPSHOT_DIRECTORY,
  LOST_AND_FOUND_NAME,
  STAGING_NAME,
  INSTALLING_NAME,
];

/** Whose directory it is: for life. */
export interface Identity {
  readonly nodeId: NodeId;
  /** Empty while the node asks to be let in: it does not know its cluster yet. */
  readonly clusterId: string;
  /**
   * Of this directory alone: random, and made with it. The cluster keeps which incarnation belongs
   * to which id, so that an empty directory under an old id is recognized.
   */
  readonly incarnation: string;
  /** Each member's Raft address as it was first given; addresses may have changed since. */
  readonly members: ReadonlyMap<NodeId, string>;
  /** The incarnations of the founders, as this node has noted them; empty on a node that joined. */
  readonly founders: ReadonlyMap<NodeId, string>;
  /** Whether the node may take part: it joined, or all founders have noted the same incarnations. */
  readonly isFounded: boolean;
  /** What the node was last started with, for starts that do not say it again. */
  readonly settings: NodeSettings;
}

/** Settings that belong to a node rather than to one start of it. */
export interface NodeSettings {
  readonly host?: string;
  readonly advertise?: string;
  readonly raftPort?: number;
  /** Where the others reach it, if not on its Raft port. */
  readonly advertiseRaftPort?: number;
  /** What a cluster that it founds begins with as its bound of memory; 0: the most there is. */
  readonly memoryBytesMax?: number;
}

export interface DataDirectoryOptions {
  readonly nodeId: NodeId;
  /** `null`: whichever cluster the directory belongs to; it must belong to one then. */
  readonly clusterId: string | null;
  /** Used when the directory is new. */
  readonly members: ReadonlyMap<NodeId, string>;
  /** For a new log: see `DiskLogOptions`. */
  readonly nonce: string;
  /** Used when the directory is new or has none. @default the nonce */
  readonly incarnation?: string;
  /** Used when the directory is new: see `Identity`. @default true */
  readonly isFounded?: boolean;
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
  // The identity goes first: a crash before the log is there leaves a directory that is known to
  // be this node's and known to be unused.
  if (stored?.incarnation !== identity.incarnation) writeIdentity(disk, identity);
  // The process that wrote it may have died before the name was durable: a loss of power could
  // take it back and leave a log that belongs to nobody.
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
 * Keeps an identity, durably and in one step. The caller holds the lock.
 *
 * @throws {UserError} when the directory is not ours, or its identity cannot be read
 */
export function saveIdentity(disk: Disk, identity: Identity): void {
  writeIdentity(disk, { ...identity, hasLog: readStored(disk)?.hasLog ?? false });
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
  const foreign = foreignIn(disk)[0];
  // Where an identity is, the directory is a node's, and what others have put there does no harm.
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
        `restore that file from a copy of this very node, or choose an empty directory`,
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
        `restore it from a copy of this very node`,
    );
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw refuse(messageOf(error));
  }
  if (typeof fields !== "object" || fields === null) throw refuse("it is no JSON object");
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
    throw refuse("its checksum does not fit: a field was changed or damaged");
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

/** The fields of an object, all of which are texts; `null` when they are not. */
function textsOf(fields: unknown): Map<string, string> | null {
  const entries = Object.entries(fields as Record<string, unknown>);
  const texts = entries.filter((entry): entry is [string, string] => typeof entry[1] === "string");
  return texts.length === entries.length ? new Map(texts) : null;
}

/** A member whose id or address rots must not become another: the text is for people, this is not. */
function checksumOf(fields: object): string {
  const bytes = new TextEncoder().encode(JSON.stringify(fields));
  return crc32(bytes).toString(16).padStart(8, "0");
}

/** In one step, as far as a crash can tell. */
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
