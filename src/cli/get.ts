import { createHash, type Hash } from "node:crypto";
import { dirname } from "node:path";
import { messageOf, UserError } from "../base/errors.ts";
import { DenoDisk } from "../platform/deno_disk.ts";
import { HttpBroken } from "../platform/http_client.ts";
import { subcommand } from "./command_line.ts";
import { fileNameOf, shownName } from "./files/file_names.ts";
import { FileRefused, type FilesClient, withFiles } from "./files/files_client.ts";
import { httpAddressFlag } from "./files/http_address.ts";
import { optional, text, toggle, typedOnly, UsageError, withShort } from "./flags.ts";
import { isThere } from "./offline/data_directories.ts";
import { ProgressLine } from "./progress.ts";

/** The word for standard output. */
const STANDARD_OUTPUT = "-";
/** Maximum number of connections that may break one after the other without any progress. */
const BREAKS_MAX = 5;
const RETRY_MS = 500;
const CHUNK_BYTES = 256 * 1024;

export const getSubcommand = subcommand({
  name: "get",
  summary: "read a file from the cluster",
  description:
    "Writes the file NAME to a file, which appears only when it is complete and its SHA-256 is " +
    "right. It is called FILE.part until then. If the connection breaks, the rest is asked for " +
    "again; --resume continues what an earlier run has left.",
  flags: {
    from: httpAddressFlag("HTTP port of any node or proxy"),
    output: withShort(
      "o",
      optional(text("FILE", {
        help: "Where to write it, - for standard output; by default the last part of NAME",
      })),
    ),
    resume: toggle({ help: "Continue with FILE.part, if it is there" }),
    force: typedOnly(toggle({ help: "Replace FILE if it exists" })),
  },
  words: "NAME",
  examples: [
    "regent get song.flac",
    "regent get music/song.flac --resume --from 10.0.0.2:8001",
    "regent get backups/src.tar -o - | tar x",
  ],
  async run({ from, output, resume, force }, words) {
    const [word] = words;
    if (word === undefined || words.length > 1) {
      throw new UsageError("Cannot start: expected the NAME of one file");
    }
    const name = fileNameOf(word);
    const path = output ?? lastPart(name);
    if (path === STANDARD_OUTPUT && resume) {
      throw new UsageError("Cannot use --resume with the standard output");
    }
    if (path === STANDARD_OUTPUT) {
      await withFiles(from, (files) => new Download(files, name).run(new StandardOutput()));
      return 0;
    }
    refuseExisting(path, force);
    await withFiles(from, async (files) => {
      const part = new PartFile(`${path}.part`);
      try {
        const startMs = performance.now();
        if (!resume) part.clear();
        const sizeBytes = await new Download(files, name).run(part);
        refuseExisting(path, force);
        part.publish(path);
        const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
        console.log(`${shownName(path)}: ${sizeBytes} bytes in ${seconds} s, the SHA-256 is right`);
      } finally {
        part.close();
      }
    });
    return 0;
  },
});

function refuseExisting(path: string, isForced: boolean): void {
  if (!isForced && isThere(path)) {
    throw new UserError(`Cannot write ${path}: it exists; give --force to replace it`);
  }
}

/** @throws {UsageError} when that is no name for a file on a disk */
function lastPart(name: string): string {
  const part = name.split("/").at(-1) ?? "";
  if (!["", ".", "..", STANDARD_OUTPUT].includes(part)) return part;
  throw new UsageError(`Cannot choose a file for ${name}: give --output FILE`);
}

/** Where a download goes. */
interface Sink {
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
class Download {
  readonly #files: FilesClient;
  readonly #name: string;

  constructor(files: FilesClient, name: string) {
    this.#files = files;
    this.#name = name;
  }

  /**
   * @returns the size of the file in bytes
   * @throws {UserError} when it cannot be read, or its SHA-256 is wrong
   */
  async run(sink: Sink): Promise<number> {
    try {
      // What an earlier run has left may be of another version: then the sum is wrong.
      if (sink.sizeBytes > 0) {
        const sizeBytes = await this.#continue(sink);
        if (sizeBytes !== null) return sizeBytes;
        sink.clear();
      }
      const sizeBytes = await this.#continue(sink);
      if (sizeBytes !== null) return sizeBytes;
    } catch (error) {
      if (!(error instanceof FileRefused)) throw error;
      throw new UserError(`Cannot get ${this.#name}: ${error.message}`, { cause: error });
    }
    if (sink.isRepeatable) sink.clear();
    throw new UserError(`Cannot use ${this.#name}: its SHA-256 is wrong; get it again`);
  }

  /** @returns the size of the file in bytes; `null` when the SHA-256 is wrong */
  async #continue(sink: Sink): Promise<number | null> {
    const { etag, sha256, sizeBytes } = await this.#files.head(this.#name);
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
        this.#files.close();
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS * Math.max(1, breaks)));
      }
    }
  }
}

class StandardOutput implements Sink {
  readonly sizeBytes = 0;
  readonly isRepeatable = false;

  hash(): Promise<void> {
    return Promise.resolve();
  }

  async write(chunk: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < chunk.length;) at += await Deno.stdout.write(chunk.subarray(at));
    } catch (error) {
      throw new UserError(`Cannot write to the standard output: ${messageOf(error)}`);
    }
  }

  clear(): void {}
}

/** A file that is not complete yet. */
class PartFile implements Sink {
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
