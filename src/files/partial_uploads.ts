import { createHash, randomBytes } from "node:crypto";
import { messageOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Clock } from "../platform/clock.ts";
import type { BodySource } from "../platform/http_listener.ts";
import { chunksOf } from "./body_chunks.ts";
import { FileError, type FileErrorCode } from "./file_error.ts";
import type { PutOptions } from "./files.ts";
import { type SharedDisk, UploadRoom } from "./upload_room.ts";

/** Number of bytes after which progress is made durable while more arrive. */
const SAVED_BYTES = 64 * 1024 * 1024;
const READ_BYTES = 256 * 1024;

/** What an upload will become. */
export interface NewUpload {
  /** Name of the file. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** A media type. */
  readonly type: string;
  readonly copies?: number;
  readonly condition?: NonNullable<PutOptions["condition"]>;
  /** What the client said about it, as it said it. */
  readonly metadata: string;
}

/** An upload as the disk has it. */
export interface UploadInfo extends NewUpload {
  /** 32 hexadecimal digits. */
  readonly id: string;
  /** Number of bytes that are durable. */
  readonly offset: number;
  /** Wall clock in milliseconds when it last grew. */
  readonly progressMs: number;
  /** Version of the file that it has become; `null` before. Then its content is gone from here. */
  readonly version: number | null;
  /** Why it never becomes a file; `null` while it may. Its content is gone from here as well. */
  readonly failure: { readonly code: FileErrorCode; readonly message: string } | null;
}

/** What the bytes of one append must add up to. */
export interface PartChecksum {
  readonly algorithm: "md5" | "sha1" | "sha256";
  readonly bytes: Uint8Array;
}

export interface PartialUploadsOptions {
  /** Created if it does not exist. Nobody else uses it. */
  readonly directory: string;
  /** The disk that it is on. */
  readonly disk: SharedDisk;
  /** Maximum number of uploads that are not files yet. @default 1,000 */
  readonly uploadsMax?: number;
  /** Time in milliseconds without progress after which an upload is removed. @default 24 h */
  readonly idleMsMax?: number;
  /** Makes a file durable. @default `sync` of the file */
  readonly sync?: (file: Deno.FsFile) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const UPLOADS_MAX = 1_000;
const IDLE_MS_MAX = 24 * 60 * 60 * 1000;
/** Time in milliseconds for which it is known what an upload has become, or why nothing. */
const DONE_MS_MAX = 60 * 60 * 1000;

/** Whoever changes an upload now. */
interface Turn {
  readonly stop: AbortController;
  readonly over: Promise<void>;
}

/**
 * Contents that arrive in parts, on the disk of one node. `<id>` has the bytes, and `<id>.json` says
 * how many of them count: those that were durable when it was written. An append that comes while
 * another one is under way ends that one, since its client has probably lost its connection: there is
 * one at a time, and each begins where the one before has ended.
 */
export class PartialUploads {
  readonly #options: PartialUploadsOptions;
  readonly #infos = new Map<string, UploadInfo>();
  readonly #turns = new Map<string, Turn>();
  readonly #room: UploadRoom;

  private constructor(options: PartialUploadsOptions) {
    this.#options = options;
    this.#room = new UploadRoom(options.disk);
  }

  /** Takes over what an earlier process has left, as far as the disk's reserve allows. */
  static async open(options: PartialUploadsOptions): Promise<PartialUploads> {
    const uploads = new PartialUploads(options);
    await uploads.#makeFolder();
    await uploads.#load();
    await uploads.#makeRoom();
    return uploads;
  }

  /** Time in milliseconds without progress after which an upload is removed. */
  get idleMsMax(): number {
    return this.#options.idleMsMax ?? IDLE_MS_MAX;
  }

  /** `null` if there is none, or no more. */
  get(id: string): UploadInfo | null {
    return this.#infos.get(id) ?? null;
  }

  /** The same, after the append that is under way has ended: its client has lost its connection. */
  async settled(id: string): Promise<UploadInfo | null> {
    if (!this.#infos.has(id)) return null;
    return await this.#inTurn(id, (info) => Promise.resolve(info));
  }

  all(): readonly UploadInfo[] {
    return [...this.#infos.values()];
  }

  /** @throws {FileError} `busy` with too many uploads, `insufficient-storage` without room */
  async create(upload: NewUpload): Promise<UploadInfo> {
    const { uploadsMax = UPLOADS_MAX, clock } = this.#options;
    if (this.all().filter(isOpen).length >= uploadsMax) {
      throw new FileError("busy", `${uploadsMax} uploads are in progress, which is the limit.`);
    }
    const id = randomBytes(16).toString("hex");
    const state = { offset: 0, progressMs: clock.nowMs(), version: null, failure: null };
    const info = { ...upload, id, ...state };
    this.#infos.set(id, info); // so that others that come now see what it takes
    this.#room.promise(id, info.size);
    try {
      this.#room.checkPromises();
      const file = await this.#inFolder(() =>
        Deno.open(this.#path(id), { write: true, createNew: true })
      );
      file.close();
      await this.#save(info);
      return info;
    } catch (error) {
      await this.#giveUp(id);
      throw fileErrorOf(error);
    }
  }

  /**
   * Adds the bytes of a body. If the body breaks off, what has arrived counts, unless there is a
   * checksum, which it cannot have.
   *
   * @param offset number of bytes that the client believes to be here
   * @throws {FileError} `not-found`; `conflict` when there are more or fewer bytes, or another append
   *   took over; `too-large`; `checksum-mismatch`; `aborted`; `insufficient-storage`; its failure
   */
  append(
    id: string,
    offset: number,
    body: BodySource,
    checksum: PartChecksum | null = null,
  ): Promise<UploadInfo> {
    return this.#inTurn(id, async (info, signal) => {
      checkFailure(info);
      if (info.offset !== offset || info.version !== null) {
        throw new FileError("conflict", `The upload has ${info.offset} bytes, not ${offset}.`);
      }
      if (offset === info.size) return info;
      const file = await this.#openContent(id, { write: true });
      try {
        await file.truncate(offset); // bytes beyond are of an append that did not end well
        await file.seek(offset, Deno.SeekMode.Start);
        this.#room.askAgain();
        return await this.#write(file, info, chunksOf(body, signal), checksum);
      } catch (error) {
        await this.#cut(file, id);
        throw fileErrorOf(error);
      } finally {
        file.close();
      }
    });
  }

  async #write(
    file: Deno.FsFile,
    start: UploadInfo,
    chunks: AsyncIterable<Uint8Array>,
    checksum: PartChecksum | null,
  ): Promise<UploadInfo> {
    const hash = checksum === null ? null : createHash(checksum.algorithm);
    let info = start;
    let at = start.offset;
    let failure: unknown = null;
    try {
      for await (const chunk of chunks) {
        if (at + chunk.length > start.size) {
          throw new FileError("too-large", `The upload was to have ${start.size} bytes, not more.`);
        }
        this.#room.take(chunk.length);
        await writeAll(file, chunk);
        hash?.update(chunk);
        at += chunk.length;
        this.#room.promise(start.id, start.size - at);
        if (hash === null && at - info.offset >= SAVED_BYTES) {
          info = await this.#grow(file, info, at);
        }
      }
      if (hash !== null && !equal(hash.digest(), checksum?.bytes)) {
        throw new FileError("checksum-mismatch", "The part is not what its checksum says.");
      }
    } catch (error) {
      if (error instanceof SyncFailure || hash !== null) throw error;
      failure = error;
    }
    if (at > info.offset) info = await this.#grow(file, info, at);
    if (failure !== null) throw failure;
    return info;
  }

  /** Gives back what is beyond the last durable byte, and promises room for it again. */
  async #cut(file: Deno.FsFile, id: string): Promise<void> {
    const info = this.#infos.get(id);
    if (info === undefined) return;
    await file.truncate(info.offset);
    this.#room.promise(id, restOf(info));
  }

  /** Makes what was written durable, and says so. */
  async #grow(file: Deno.FsFile, info: UploadInfo, offset: number): Promise<UploadInfo> {
    await this.#sync(file, info.id);
    const grown = { ...info, offset, progressMs: this.#options.clock.nowMs() };
    await this.#save(grown);
    return grown;
  }

  /** The content of a complete upload. */
  async *read(id: string): AsyncGenerator<Uint8Array> {
    const file = await this.#openContent(id, { read: true });
    try {
      for (;;) {
        const chunk = new Uint8Array(READ_BYTES);
        const length = await file.read(chunk);
        if (length === null) return;
        yield chunk.subarray(0, length);
      }
    } finally {
      file.close();
    }
  }

  /** Notes which version of the file the upload has become, and removes the content. */
  finish(id: string, version: number): Promise<UploadInfo> {
    return this.#end(id, { version });
  }

  /** Notes that the upload never becomes a file, and removes the content. */
  fail(id: string, { code, message }: FileError): Promise<UploadInfo> {
    return this.#end(id, { failure: { code, message } });
  }

  #end(id: string, end: Partial<UploadInfo>): Promise<UploadInfo> {
    return this.#inTurn(id, async (info) => {
      const ended = { ...info, ...end, progressMs: this.#options.clock.nowMs() };
      await this.#save(ended).catch((error) => {
        throw fileErrorOf(error);
      });
      await removed(this.#path(id));
      return ended;
    });
  }

  /** @returns false when there is none */
  async remove(id: string): Promise<boolean> {
    if (!this.#infos.has(id)) return false;
    await this.#inTurn(id, () => this.#giveUp(id));
    return true;
  }

  /**
   * Removes the uploads that nobody has continued for too long, and what is known of those that have
   * ended for an hour. @returns their number
   */
  async expire(): Promise<number> {
    const nowMs = this.#options.clock.nowMs();
    let count = 0;
    for (const info of this.all()) {
      const { id, progressMs } = info;
      const keptMs = isOpen(info) ? this.idleMsMax : Math.min(this.idleMsMax, DONE_MS_MAX);
      if (nowMs - progressMs < keptMs || this.#turns.has(id)) continue;
      if (await this.remove(id)) count++;
    }
    return count;
  }

  /** Runs one change of an upload at a time. A newer one ends the one that is under way. */
  async #inTurn<T>(
    id: string,
    change: (info: UploadInfo, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    for (let turn = this.#turns.get(id); turn !== undefined; turn = this.#turns.get(id)) {
      turn.stop.abort(new FileError("conflict", "Another request continues this upload."));
      await turn.over;
    }
    const info = this.#infos.get(id);
    if (info === undefined) throw new FileError("not-found", "There is no such upload.");
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = new AbortController();
    this.#turns.set(id, { stop, over: promise });
    try {
      return await change(info, stop.signal);
    } finally {
      this.#turns.delete(id);
      resolve();
    }
  }

  async #makeFolder(): Promise<void> {
    await Deno.mkdir(this.#options.directory, { recursive: true });
  }

  /** Does this, and once more when somebody took the folder away under the running node. */
  async #inFolder<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      await this.#makeFolder();
      return await work();
    }
  }

  /** Opens the content. An upload whose content was taken away is given up. */
  async #openContent(id: string, options: Deno.OpenOptions): Promise<Deno.FsFile> {
    try {
      return await Deno.open(this.#path(id), options);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      this.#options.logger.error(`upload ${id} is given up: its file was taken away`);
      await this.#giveUp(id);
      throw new FileError("not-found", "The upload is not on the disk any more. Begin again.");
    }
  }

  #path(id: string): string {
    return `${this.#options.directory}/${id}`;
  }

  /** A failed sync is final: nobody knows then what is on the disk. */
  async #sync(file: Deno.FsFile, id: string): Promise<void> {
    const { sync = (synced) => synced.sync(), logger } = this.#options;
    try {
      await sync(file);
    } catch (error) {
      logger.error(`upload ${id} is given up: its disk does not keep it: ${messageOf(error)}`);
      await this.#giveUp(id);
      throw new SyncFailure();
    }
  }

  async #save(info: UploadInfo): Promise<void> {
    const path = `${this.#path(info.id)}.json`;
    const file = await this.#inFolder(() =>
      Deno.open(`${path}.new`, { write: true, create: true, truncate: true })
    );
    try {
      await writeAll(file, new TextEncoder().encode(JSON.stringify(info)));
      await this.#sync(file, info.id);
    } finally {
      file.close();
    }
    await Deno.rename(`${path}.new`, path);
    const directory = await Deno.open(this.#options.directory, { read: true });
    try {
      await this.#sync(directory, info.id);
    } finally {
      directory.close();
    }
    this.#infos.set(info.id, info);
    this.#room.promise(info.id, restOf(info));
  }

  /** The description goes last: while it is there, the content is not taken for a stranger's. */
  async #giveUp(id: string): Promise<void> {
    this.#infos.delete(id);
    for (const suffix of ["", ".json.new", ".json"]) await removed(this.#path(id) + suffix);
    this.#room.promise(id, 0);
  }

  async #load(): Promise<void> {
    const { directory, logger } = this.#options;
    for await (const { name } of Deno.readDir(directory)) {
      const [, id] = /^([0-9a-f]{32})\.json$/.exec(name) ?? [];
      if (id === undefined) continue;
      const info = infoIn(await Deno.readTextFile(`${directory}/${name}`), id);
      const size = await Deno.stat(this.#path(id)).then((stat) => stat.size, () => 0);
      if (info !== null && (!isOpen(info) || size >= info.offset)) {
        if (isOpen(info)) await Deno.truncate(this.#path(id), info.offset);
        this.#infos.set(id, info);
        this.#room.promise(id, restOf(info));
      } else {
        logger.warn(`upload ${id} is given up: its file is damaged`);
      }
    }
    for await (const { name } of Deno.readDir(directory)) {
      const [, id = "", suffix] = /^([0-9a-f]{32})(|\.json|\.json\.new)$/.exec(name) ?? [];
      const info = this.#infos.get(id);
      const isNeeded = info !== undefined &&
        (suffix === ".json" || (suffix === "" && isOpen(info)));
      if (id !== "" && !isNeeded) await removed(`${directory}/${name}`);
    }
  }

  /**
   * While the disk is inside the reserve, which the log needs, uploads go: first those whose clients
   * have sent nothing for longest, and the complete ones last.
   */
  async #makeRoom(): Promise<void> {
    const open = this.all().filter((info) => isOpen(info) && info.offset > 0);
    open.sort((a, b) =>
      Number(restOf(a) === 0) - Number(restOf(b) === 0) || a.progressMs - b.progressMs
    );
    let missing = -this.#room.freeBytes; // counted here, since a disk frees some things later
    for (const { id, offset } of open) {
      if (missing <= 0) return;
      this.#options.logger.warn(`upload ${id} is given up: its disk has no room for it`);
      await this.#giveUp(id);
      missing -= offset;
    }
  }
}

/** Number of bytes that an upload will still write. */
function restOf(info: UploadInfo): number {
  return isOpen(info) ? info.size - info.offset : 0;
}

/** Whether it may still become a file. */
function isOpen({ version, failure }: UploadInfo): boolean {
  return version === null && failure === null;
}

/** @throws {FileError} why the upload never becomes a file */
export function checkFailure({ failure }: UploadInfo): void {
  if (failure !== null) throw new FileError(failure.code, failure.message);
}

/** A sync failed, and the upload is gone. */
class SyncFailure extends FileError {
  constructor() {
    super("unavailable", "The disk failed, and the upload with it. Begin again.");
  }
}

function fileErrorOf(error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code !== "ENOSPC" && code !== "EDQUOT") return error;
  return new FileError("insufficient-storage", "The disk is full.", { cause: error });
}

/** `null` if it is no description of this upload. */
function infoIn(text: string, id: string): UploadInfo | null {
  try {
    const info = { failure: null, ...JSON.parse(text) };
    const isSound = info.id === id && typeof info.name === "string" &&
      typeof info.type === "string" && typeof info.metadata === "string" &&
      Number.isSafeInteger(info.size) && Number.isSafeInteger(info.offset) &&
      info.offset >= 0 && info.offset <= info.size && Number.isFinite(info.progressMs) &&
      (info.version === null || Number.isSafeInteger(info.version)) &&
      (info.failure === null || typeof info.failure.message === "string");
    return isSound ? info : null;
  } catch {
    return null;
  }
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

async function removed(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function equal(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && a.length === b.length && a.every((byte, at) => byte === b[at]);
}
