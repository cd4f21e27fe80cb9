import { resolve } from "node:path";
import { formatAddress } from "../../base/address.ts";
import { messageOf, UserError } from "../../base/errors.ts";
import { type Logger, silentLogger } from "../../base/logger.ts";
import {
  FILES_NAME,
  INSTALLING_NAME,
  KEPT_PREFIX,
  LOCK_NAME,
  LOST_AND_FOUND_NAME,
  openDataDirectory,
  STAGING_NAME,
} from "../../node/log/data_directory.ts";
import type { SnapshotMeta } from "../../node/snapshots/snapshot.ts";
import { DenoDisk } from "../../platform/deno_disk.ts";

/** Maximum number of written bytes that are not synced. Above it, the next chunk waits. */
const UNSYNCED_BYTES_MAX = 16 * 1024 * 1024;

/** The initial content of a node's directory in a new cluster. */
export interface FirstState {
  readonly nodeId: string;
  readonly clusterId: string;
  /** A new one, since the data comes from another directory. */
  readonly incarnation: string;
  /** Whether the node may take part at once, since it is alone. */
  readonly isFounded: boolean;
  readonly snapshot: SnapshotMeta;
  /** The state's chunks, as in a snapshot. */
  readonly chunks: Iterable<Uint8Array>;
}

/**
 * Creates a complete data directory at a path of its own, and first removes what an earlier attempt
 * left there. No node ever sees a part of it: `Exchange` puts it in place when it is complete.
 *
 * @throws {UserError} when the disk fails, or the chunks cannot be read
 */
export async function stageDirectory(path: string, state: FirstState): Promise<void> {
  removeDirectory(path);
  const disk = await DenoDisk.open(path);
  try {
    await write(disk, state);
    check(disk, state);
  } catch (error) {
    removeDirectory(path);
    throw error;
  } finally {
    disk.close();
  }
}

/** Removes a directory and its content, if it exists. */
function removeDirectory(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Whether a path exists. */
export function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    // If a part of the path is a file, nothing exists below it.
    const { NotFound, NotADirectory } = Deno.errors;
    if (error instanceof NotFound || error instanceof NotADirectory) return false;
    throw error;
  }
}

function open(
  disk: DenoDisk,
  { nodeId, clusterId, incarnation, isFounded, snapshot }: FirstState,
  logger: Logger = silentLogger,
) {
  const { members } = snapshot.configuration;
  return openDataDirectory(disk, {
    nodeId,
    clusterId,
    incarnation,
    isFounded,
    members: new Map(members.map(({ id, raftAddress }) => [id, formatAddress(raftAddress)])),
    nonce: crypto.randomUUID(),
    logger,
    onFailure: (error) => {
      throw error;
    },
  });
}

async function write(disk: DenoDisk, state: FirstState): Promise<void> {
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) };
  const { log, snapshots } = open(disk, state, logger);
  const { index, term } = state.snapshot;
  try {
    const writer = snapshots.begin(state.snapshot);
    for (const chunk of writer === null ? [] : state.chunks) {
      writer?.write(chunk);
      while ((writer?.unsyncedBytes ?? 0) > UNSYNCED_BYTES_MAX && !writer?.isAbandoned) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
    const stored = writer && await new Promise((resolve) => writer.finish(resolve));
    if (stored === null) throw new UserError(`Cannot fill ${disk.root}: ${warnings.join("; ")}`);
    await new Promise<void>((resolve) => log.reset(index, term, { term, vote: null }, resolve));
  } finally {
    log.close();
    snapshots.close();
  }
}

/** Reads the directory again, as the node will. */
function check(disk: DenoDisk, state: FirstState): void {
  const { log, snapshots } = open(disk, state);
  const { index, term } = state.snapshot;
  const newest = snapshots.newest();
  const isWhole = newest?.index === index && newest.term === term &&
    log.firstIndex() === index + 1 && log.lastIndex() === index;
  log.close();
  snapshots.close();
  if (!isWhole) throw new UserError(`Cannot use ${disk.root}: it does not hold what was written`);
}

/** A directory belongs to a node as long as it contains this file. */
const IDENTITY_NAME = "identity.json";

/**
 * Replaces the content of a data directory. The directory itself stays, since it may be a mount
 * point, and so everything stays on one file system. Each step consists of one or several renames:
 *
 * 1. The new content is completed in `staging`. The old one is in place.
 * 2. The old content, `identity.json` first, is moved to `before-recovery-TIME`.
 * 3. `staging` becomes `installing`.
 * 4. The new content, `identity.json` last, is moved from there into place.
 *
 * No node starts on a directory that contains `staging` or `installing` but no `identity.json`. The
 * caller holds the directory's lock.
 */
export class Exchange {
  readonly #path: string;

  /** @param path of the data directory */
  constructor(path: string) {
    this.#path = path;
  }

  /** Where the new content is completed. */
  get staging(): string {
    return `${this.#path}/${STAGING_NAME}`;
  }

  /** Whether an exchange was interrupted in step 2 or later, and can only be finished. */
  get isInterrupted(): boolean {
    if (isThere(`${this.#path}/${IDENTITY_NAME}`)) return false;
    const hasKept = this.#names().some((name) => name.startsWith(KEPT_PREFIX));
    return hasKept && (isThere(`${this.staging}/${IDENTITY_NAME}`) || this.#isInstalling);
  }

  /**
   * Moves the old content into a directory of its own. Continues in the newest such directory if an
   * interrupted exchange created it.
   *
   * @returns its path
   */
  setAside(): string {
    const time = new Date().toISOString().replaceAll(":", "-");
    const begun = this.isInterrupted
      ? this.#names().findLast((name) => name.startsWith(KEPT_PREFIX))
      : undefined;
    const kept = `${this.#path}/${begun ?? `${KEPT_PREFIX}${time}`}`;
    if (this.#isInstalling) return kept;
    explaining(`keep the old content of ${this.#path}`, () => {
      Deno.mkdirSync(kept, { recursive: true });
      syncDirectory(this.#path);
      move(this.#path, kept, identityFirst(this.#contentNames()));
    });
    return kept;
  }

  /**
   * Puts the new content in place.
   *
   * @throws {UserError} when the system refuses
   */
  install(): void {
    const installing = `${this.#path}/${INSTALLING_NAME}`;
    explaining(`put the new content into ${this.#path}`, () => {
      if (!this.#isInstalling) {
        Deno.renameSync(this.staging, installing);
        syncDirectory(this.#path);
      }
      const names = namesIn(installing).filter((name) => name !== LOCK_NAME);
      move(installing, this.#path, identityFirst(names).reverse());
      removeDirectory(installing);
      syncDirectory(this.#path);
    });
  }

  /** Removes what an interrupted exchange left, if that had set nothing aside. */
  clear(): void {
    const isOurs = isThere(this.staging) || this.#isInstalling;
    const names = isOurs ? [...this.#contentNames(), STAGING_NAME, INSTALLING_NAME] : [];
    explaining(`clear ${this.#path}`, () => {
      for (const name of names) removeDirectory(`${this.#path}/${name}`);
    });
  }

  get #isInstalling(): boolean {
    return isThere(`${this.#path}/${INSTALLING_NAME}`);
  }

  #names(): readonly string[] {
    return namesIn(this.#path);
  }

  /**
   * The names of what an exchange replaces: not the lock, `lost+found`, contents of files, or what
   * exchanges create.
   */
  #contentNames(): string[] {
    const others = [LOCK_NAME, LOST_AND_FOUND_NAME, FILES_NAME, STAGING_NAME, INSTALLING_NAME];
    return this.#names().filter((name) => !others.includes(name) && !name.startsWith(KEPT_PREFIX));
  }
}

function namesIn(path: string): readonly string[] {
  return DenoDisk.openForReading(path).list("");
}

function identityFirst(names: readonly string[]): string[] {
  return [...names].sort((a, b) => Number(b === IDENTITY_NAME) - Number(a === IDENTITY_NAME));
}

/** Moves names one by one, in an order that a power failure does not change. */
function move(from: string, to: string, names: readonly string[]): void {
  for (const name of names) {
    Deno.renameSync(`${from}/${name}`, `${to}/${name}`);
    syncDirectory(to);
    syncDirectory(from);
  }
}

function syncDirectory(path: string): void {
  DenoDisk.openForReading(path).syncDirectoryNow("");
}

/** Reports an error of `run` as `Cannot ${what}`. */
function explaining(what: string, run: () => void): void {
  try {
    run();
  } catch (error) {
    throw new UserError(`Cannot ${what}: ${messageOf(error)}`, { cause: error });
  }
}

/** A missing or empty directory that is to be filled. It is locked while it is filled. */
export class EmptyPlace {
  /** Absolute, without symbolic links. */
  readonly path: string;
  readonly #dir: string;
  readonly #isNew: boolean;
  readonly #hadLock: boolean;
  #lock: DenoDisk | null = null;
  #isFilled = false;

  private constructor(dir: string, path: string, held: readonly string[] | null) {
    this.#dir = dir;
    this.path = path;
    this.#isNew = held === null;
    this.#hadLock = held?.includes(LOCK_NAME) ?? false;
  }

  /** @throws {UserError} when the directory has content, or is in use */
  static async take(dir: string): Promise<EmptyPlace> {
    const path = resolve(dir);
    if (!isThere(path)) return new EmptyPlace(dir, path, null);
    const real = Deno.realPathSync(path);
    const held = checkedContent(dir, real);
    const place = new EmptyPlace(dir, real, held);
    // A lock file may be left by a node that was refused for lack of --peers, or be in use.
    if (held.length > 0) await place.#open();
    return place;
  }

  /**
   * Fills the directory atomically.
   *
   * @param stage creates the content at a path
   */
  async fill(stage: (path: string) => Promise<void>): Promise<void> {
    await this.#open();
    checkedContent(this.#dir, this.path); // still empty, now that it is locked
    removeDirectory(`${this.path}/${FILES_NAME}`); // that of an interrupted attempt
    const exchange = new Exchange(this.path);
    exchange.clear();
    await stage(exchange.staging);
    exchange.install();
    this.#isFilled = true;
  }

  /** Releases the lock. Removes everything that this attempt created, unless it succeeded. */
  leave(): void {
    if (this.#lock === null) return;
    if (!this.#isFilled) this.#undo();
    this.#lock.close();
  }

  async #open(): Promise<void> {
    this.#lock ??= await DenoDisk.open(this.path);
  }

  #undo(): void {
    try {
      if (this.#isNew) removeDirectory(this.path);
      else if (!this.#hadLock) Deno.removeSync(`${this.path}/${LOCK_NAME}`);
    } catch (error) {
      console.error(`Cannot clear ${this.path}: ${messageOf(error)}`);
    }
  }
}

/** @throws {UserError} when the directory has content other than that of an interrupted restore */
function checkedContent(dir: string, path: string): readonly string[] {
  const names = DenoDisk.openForReading(path).list("");
  const hasRemains = [STAGING_NAME, INSTALLING_NAME].some((name) => names.includes(name));
  const isRestore = hasRemains && !names.includes("identity.json") &&
    !names.some((name) => name.startsWith(KEPT_PREFIX));
  const held = names.find((name) => ![LOCK_NAME, LOST_AND_FOUND_NAME].includes(name));
  if (held !== undefined && !isRestore) {
    throw new UserError(
      `Cannot restore into ${dir}: it holds ${JSON.stringify(held)}; ` +
        `choose a directory that is empty or missing`,
    );
  }
  return names;
}
