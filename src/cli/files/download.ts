import { createHash, type Hash } from "node:crypto";
import { dirname } from "node:path";
import { messageOf, UserError } from "../../base/errors.ts";
import { DenoDisk } from "../../platform/deno_disk.ts";
import { ProgressLine } from "../progress.ts";
import { type FileContent, FileRefused, type FilesClient } from "./files_client.ts";
import { HttpBroken } from "./http_exchange.ts";

/** Maximum number of connections that may break one after the other without any progress. */
const BREAKS_MAX = 5;
const RETRY_MS = 500;
const CHUNK_BYTES = 256 * 1024;

/** What is known about a version of a file. */
export type KnownVersion = Pick<FileContent, "etag" | "sha256" | "sizeBytes">;

/** Where a download goes. */
export interface Sink {
  /** Number of bytes that are there already. */
  readonly sizeBytes: number;
  /** Whether it can begin again. */
  readonly isRepeatable: boolean;
  /** Adds everything that is there to the hash. */
  hash(into: Hash): Promise<void>;
  write(chunk: Uint8Array): Promise<void>;
  clear(): void;
}

/** Reads a file, and continues when the connection breaks. */
export class Download {
  readonly #files: FilesClient;
  readonly #name: string;

  constructor(files: FilesClient, name: string) {
    this.#files = files;
    this.#name = name;
  }

  /**
   * @param version the one that is wanted; `null`: the newest
   * @returns the size of the file in bytes
   * @throws {FileRefused} when it cannot be read, or there is another version now
   * @throws {UserError} when its SHA-256 is wrong
   */
  async run(sink: Sink, version: KnownVersion | null = null): Promise<number> {
    // What an earlier run has left may be of another version: then the sum is wrong.
    if (sink.sizeBytes > 0) {
      const sizeBytes = await this.#continue(sink, version);
      if (sizeBytes !== null) return sizeBytes;
      sink.clear();
    }
    const sizeBytes = await this.#continue(sink, version);
    if (sizeBytes !== null) return sizeBytes;
    if (sink.isRepeatable) sink.clear();
    throw new UserError(`Cannot use ${this.#name}: its SHA-256 is wrong; get it again`);
  }

  /** @returns the size of the file in bytes; `null` when the SHA-256 is wrong */
  async #continue(sink: Sink, version: KnownVersion | null): Promise<number | null> {
    const { etag, sha256, sizeBytes } = version ?? await this.#files.head(this.#name);
    if (sha256 === null) throw new UserError("Cannot check the file: the server sends no SHA-256");
    if (sink.sizeBytes > sizeBytes) return null;
    const hash = createHash("sha256");
    await sink.hash(hash);
    let doneBytes = sink.sizeBytes;
    const options = { name: this.#name, totalBytes: sizeBytes, skippedBytes: doneBytes };
    const progress = new ProgressLine(options);
    try {
      while (doneBytes < sizeBytes) {
        const byte = doneBytes;
        await this.#patiently(() => doneBytes, async () => {
          const { body } = await this.#files.get(this.#name, { byte: doneBytes, etag });
          for await (const chunk of body) {
            hash.update(chunk);
            await sink.write(chunk);
            doneBytes += chunk.length;
            progress.show(doneBytes);
          }
        });
        if (doneBytes === byte || doneBytes > sizeBytes) {
          throw new UserError(`Cannot get ${this.#name}: the server sent ${doneBytes} bytes of it`);
        }
      }
    } finally {
      progress.end();
    }
    return hash.digest("hex") === sha256 ? sizeBytes : null;
  }

  /** Tries again while the connection breaks, or the cluster cannot answer. */
  async #patiently(progressOf: () => number, run: () => Promise<void>): Promise<void> {
    for (let breaks = 1;; breaks++) {
      const before = progressOf();
      try {
        return await run();
      } catch (error) {
        const isBreak = error instanceof HttpBroken ||
          (error instanceof FileRefused && error.status === 503);
        if (progressOf() > before) breaks = 0;
        if (!isBreak || breaks >= BREAKS_MAX) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS * Math.max(1, breaks)));
      }
    }
  }
}

/** A file that is not complete yet. */
export class PartFile implements Sink {
  readonly isRepeatable = true;
  readonly #path: string;
  readonly #file: Deno.FsFile;
  #isPublished = false;
  sizeBytes: number;

  constructor(path: string) {
    this.#path = path;
    this.#file = this.#explaining(() =>
      Deno.openSync(path, { read: true, write: true, create: true })
    );
    this.sizeBytes = this.#file.seekSync(0, Deno.SeekMode.End);
  }

  /** Leaves the file at its end. */
  async hash(into: Hash): Promise<void> {
    const buffer = new Uint8Array(CHUNK_BYTES);
    this.#file.seekSync(0, Deno.SeekMode.Start);
    for (;;) {
      const length = await this.#file.read(buffer);
      if (length === null) return;
      into.update(buffer.subarray(0, length));
    }
  }

  async write(chunk: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < chunk.length;) at += await this.#file.write(chunk.subarray(at));
    } catch (error) {
      throw new UserError(`Cannot write ${this.#path}: ${messageOf(error)}`, { cause: error });
    }
    this.sizeBytes += chunk.length;
  }

  clear(): void {
    this.#explaining(() => this.#file.truncateSync(0));
    this.#file.seekSync(0, Deno.SeekMode.Start);
    this.sizeBytes = 0;
  }

  /** Gives the complete file its own name. */
  publish(path: string): void {
    this.#explaining(() => {
      this.#file.syncSync();
      Deno.renameSync(this.#path, path);
    });
    this.#isPublished = true;
    DenoDisk.openForReading(dirname(path)).syncDirectoryNow("");
  }

  /** Closes the file. It stays for a later run, unless nothing is in it. */
  close(): void {
    this.#file.close();
    if (!this.#isPublished && this.sizeBytes === 0) Deno.removeSync(this.#path);
  }

  #explaining<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw new UserError(`Cannot write ${this.#path}: ${messageOf(error)}`, { cause: error });
    }
  }
}
