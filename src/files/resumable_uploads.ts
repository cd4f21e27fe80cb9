import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { messageOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { BodySource } from "../platform/http_listener.ts";
import { FileError, type FileErrorCode } from "./file_error.ts";
import type { FileRecord, FilesService } from "./files.ts";
import {
  checkFailure,
  type NewUpload,
  type PartChecksum,
  type PartialUploads,
  type UploadInfo,
} from "./partial_uploads.ts";

/** How far an upload is. */
export interface UploadState {
  /** Of the whole cluster: it names the node that has the upload. */
  readonly id: string;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Number of bytes that are durable. */
  readonly offset: number;
  readonly metadata: string;
  /** Wall clock in milliseconds when it is removed unless it grows. */
  readonly expiresMs: number;
  /** Version of the file that it has become; `null` before. */
  readonly version: number | null;
}

/** Contents that arrive in parts and become files. Errors are `FileError`s. */
export interface UploadsService {
  create(upload: NewUpload): Promise<UploadState>;
  /**
   * @param isResuming whether the client is about to continue: then an append that is under way ends,
   *   since its connection is lost, and the state is the one to go on from
   * @throws {FileError} `not-found`, and all that can go wrong when a file is made
   */
  state(id: string, isResuming: boolean): Promise<UploadState>;
  /** With the last byte the upload becomes a file. @see PartialUploads.append */
  append(
    id: string,
    offset: number,
    body: BodySource,
    checksum: PartChecksum | null,
  ): Promise<UploadState>;
  /** @returns false when there is none */
  remove(id: string): Promise<boolean>;
}

/** The other nodes' uploads. `NodeUploads` asks them by HTTP. */
export interface UploadForwarder {
  /** Calls throw `not-found` when there is no such node, and `unavailable` when it does not answer. */
  uploadsOf(node: string): UploadsService;
  /** A node that takes a new upload: any that is up. For processes without uploads of their own. */
  anyNode(): Promise<string>;
}

/** Separates the digits of an id from the node. Digits have none. */
const SEPARATOR = "-";

/** Answers to a completion that would be the same each time. */
const FINAL: readonly FileErrorCode[] = ["precondition-failed", "conflict", "bad-request"];

/** Uploads on the disk of this node, which become files by the service. */
export class LocalUploads implements UploadsService {
  readonly #node: string;
  readonly #partial: PartialUploads;
  readonly #files: FilesService;
  readonly #logger: Logger;
  readonly #completions = new Map<string, Promise<UploadInfo>>();

  /** @param node id of this node */
  constructor(
    { node, partial, files, logger }: {
      readonly node: string;
      readonly partial: PartialUploads;
      readonly files: FilesService;
      readonly logger: Logger;
    },
  ) {
    this.#node = node;
    this.#partial = partial;
    this.#files = files;
    this.#logger = logger;
  }

  async create(upload: NewUpload): Promise<UploadState> {
    return this.#stateOf(await this.#completed(await this.#partial.create(upload)));
  }

  async state(id: string, isResuming: boolean): Promise<UploadState> {
    let info = this.#info(id);
    if (isResuming && info.offset < info.size) {
      const settled = await this.#partial.settled(info.id);
      if (settled === null) throw noSuchUpload();
      info = settled;
    }
    return this.#stateOf(await this.#completed(info));
  }

  async append(
    id: string,
    offset: number,
    body: BodySource,
    checksum: PartChecksum | null,
  ): Promise<UploadState> {
    const before = this.#info(id);
    const isRepeated = before.offset === before.size && offset === before.size;
    const info = isRepeated
      ? before
      : await this.#partial.append(before.id, offset, body, checksum);
    return this.#stateOf(await this.#completed(info));
  }

  async remove(id: string): Promise<boolean> {
    const info = this.#infoOrNull(id);
    if (info === null) return false;
    await this.#completions.get(info.id)?.catch(() => {}); // which was faster
    return await this.#partial.remove(info.id);
  }

  /**
   * Removes what nobody continues, and completes what a process that died had not. Call it from time
   * to time.
   */
  async tend(): Promise<void> {
    await this.#partial.expire();
    for (const info of this.#partial.all()) {
      if (info.failure !== null) continue;
      await this.#completed(info).catch((error) =>
        this.#logger.warn(`upload ${info.id} has not become a file: ${messageOf(error)}`)
      );
    }
  }

  /** Makes a file of an upload that has all its bytes. Once, however often it is asked for. */
  async #completed(info: UploadInfo): Promise<UploadInfo> {
    checkFailure(info);
    if (info.offset < info.size || info.version !== null) return info;
    const running = this.#completions.get(info.id);
    if (running !== undefined) return await running;
    const completion = this.#complete(info);
    this.#completions.set(info.id, completion);
    try {
      return await completion;
    } finally {
      this.#completions.delete(info.id);
    }
  }

  /** The blob's id comes from the upload's: a commit that is repeated after a crash is the same one. */
  async #complete(info: UploadInfo): Promise<UploadInfo> {
    const { id } = info;
    try {
      return await this.#partial.finish(id, (await this.#put(info)).version);
    } catch (error) {
      if (error instanceof FileError && FINAL.includes(error.code)) {
        await this.#partial.fail(id, error);
      }
      throw error;
    }
  }

  #put({ id, name, size, type, copies, condition }: UploadInfo): Promise<FileRecord> {
    return this.#files.put(name, Readable.from(this.#partial.read(id)), {
      size,
      type,
      attempt: attemptOf(id),
      ...(copies === undefined ? {} : { copies }),
      ...(condition === undefined ? {} : { condition }),
    });
  }

  #info(id: string): UploadInfo {
    const info = this.#infoOrNull(id);
    if (info === null) throw noSuchUpload();
    return info;
  }

  #infoOrNull(id: string): UploadInfo | null {
    const [digits, node] = partsOf(id);
    return node === this.#node ? this.#partial.get(digits) : null;
  }

  #stateOf({ id, name, size, offset, metadata, progressMs, version }: UploadInfo): UploadState {
    return {
      id: `${id}${SEPARATOR}${this.#node}`,
      name,
      size,
      offset,
      metadata,
      expiresMs: progressMs + this.#partial.idleMsMax,
      version,
    };
  }
}

/** Uploads of all nodes: each is passed on to the node that its id names. */
export class RoutedUploads implements UploadsService {
  readonly #local: { readonly node: string; readonly uploads: UploadsService } | null;
  readonly #forwarder: UploadForwarder;

  /** @param local this node's own; `null` for a proxy */
  constructor(
    local: { readonly node: string; readonly uploads: UploadsService } | null,
    forwarder: UploadForwarder,
  ) {
    this.#local = local;
    this.#forwarder = forwarder;
  }

  async create(upload: NewUpload): Promise<UploadState> {
    const { uploads } = this.#local ??
      { uploads: this.#forwarder.uploadsOf(await this.#forwarder.anyNode()) };
    return await uploads.create(upload);
  }

  async state(id: string, isResuming: boolean): Promise<UploadState> {
    return await this.#ownerOf(id).state(id, isResuming);
  }

  async append(
    id: string,
    offset: number,
    body: BodySource,
    checksum: PartChecksum | null,
  ): Promise<UploadState> {
    return await this.#ownerOf(id).append(id, offset, body, checksum);
  }

  async remove(id: string): Promise<boolean> {
    return await this.#ownerOf(id).remove(id);
  }

  #ownerOf(id: string): UploadsService {
    const [digits, node] = partsOf(id);
    if (!/^[0-9a-f]{32}$/.test(digits) || node === "") throw noSuchUpload();
    if (node === this.#local?.node) return this.#local.uploads;
    return this.#forwarder.uploadsOf(node);
  }
}

function partsOf(id: string): readonly [string, string] {
  const at = id.indexOf(SEPARATOR);
  return at < 0 ? [id, ""] : [id.slice(0, at), id.slice(at + 1)];
}

function noSuchUpload(): FileError {
  return new FileError("not-found", "There is no such upload.");
}

/** Id of the blob that an upload becomes. @param id 32 hexadecimal digits */
export function attemptOf(id: string): string {
  return createHash("sha256").update(`upload ${id}`).digest("hex").slice(0, 32);
}
