import { createHash } from "node:crypto";
import { messageOf, UserError } from "../../base/errors.ts";
import { ProgressLine } from "../progress.ts";
import { type BackedUpFile, contentPath } from "./backed_up_files.ts";
import { Download, PartFile } from "./download.ts";
import { FileRefused, type FilesClient } from "./files_client.ts";

const READ_BYTES = 1024 * 1024;

/** What became of the contents that a backup wants. */
export interface ContentsCopied {
  readonly copied: number;
  readonly copiedBytes: number;
  /** Number of those that were there before. */
  readonly kept: number;
  /** Files that have been replaced or deleted since the backup of the state was made. */
  readonly changed: readonly BackedUpFile[];
  /** Files that could not be read, and why. */
  readonly failed: readonly { readonly file: BackedUpFile; readonly reason: string }[];
}

/**
 * A directory with the contents of files, each under its SHA-256. Several backups may share it. It
 * can be continued at any time: what is there and right is not copied again.
 */
export class ContentsDirectory {
  readonly #path: string;
  /** The SHA-256 of what is there and was checked by this process. */
  readonly #checked = new Set<string>();

  /** @throws {UserError} when it cannot be created */
  constructor(path: string) {
    this.#path = path;
    try {
      Deno.mkdirSync(`${path}/blobs`, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw new UserError(`Cannot use ${path}: ${messageOf(error)}`, { cause: error });
    }
  }

  /**
   * Copies the contents that are not there.
   *
   * @throws {UserError} when the directory cannot be written
   * @throws {HttpBroken} when the connection breaks again and again
   */
  async copy(files: FilesClient, wanted: readonly BackedUpFile[]): Promise<ContentsCopied> {
    let copied = 0;
    let copiedBytes = 0;
    let kept = 0;
    const changed: BackedUpFile[] = [];
    const failed: { file: BackedUpFile; reason: string }[] = [];
    for (const file of wanted) {
      if (await this.#isThere(file)) {
        kept++;
        continue;
      }
      try {
        await this.#copyOne(files, file);
        copied++;
        copiedBytes += file.size;
      } catch (error) {
        if (!(error instanceof FileRefused)) throw error;
        if (error.status === 404 || error.status === 412) changed.push(file);
        else failed.push({ file, reason: error.message });
      }
    }
    return { copied, copiedBytes, kept, changed, failed };
  }

  async #copyOne(files: FilesClient, file: BackedUpFile): Promise<void> {
    const { name, version, size: sizeBytes, sha256 } = file;
    const path = contentPath(this.#path, sha256);
    const part = new PartFile(`${path}.part`);
    try {
      await new Download(files, name).run(part, { etag: `"${version}"`, sha256, sizeBytes });
      part.publish(path);
    } finally {
      part.close();
    }
    this.#checked.add(sha256);
  }

  /** Whether the content is there, with the right size and SHA-256. */
  async #isThere({ name, size, sha256 }: BackedUpFile): Promise<boolean> {
    if (this.#checked.has(sha256)) return true;
    const path = contentPath(this.#path, sha256);
    if (sizeOf(path) !== size || await sha256Of(path, `check ${name}`, size) !== sha256) {
      return false;
    }
    this.#checked.add(sha256);
    return true;
  }
}

/** Size of a file in bytes; `null` when there is none. */
export function sizeOf(path: string): number | null {
  try {
    const { isFile, size } = Deno.statSync(path);
    return isFile ? size : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw new UserError(`Cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}

/** The SHA-256 of a file, as 64 hexadecimal digits. @param what is shown while it is read */
async function sha256Of(path: string, what: string, totalBytes: number): Promise<string> {
  const hash = createHash("sha256");
  const progress = new ProgressLine({ name: what, totalBytes });
  let doneBytes = 0;
  try {
    for await (const chunk of chunksOf(path)) {
      hash.update(chunk);
      progress.show(doneBytes += chunk.length);
    }
  } finally {
    progress.end();
  }
  return hash.digest("hex");
}

/** The bytes of a file. Each chunk is new. @throws {UserError} */
export async function* chunksOf(path: string): AsyncGenerator<Uint8Array> {
  let file: Deno.FsFile | null = null;
  try {
    file = Deno.openSync(path);
    for (;;) {
      const buffer = new Uint8Array(READ_BYTES);
      const length = await file.read(buffer);
      if (length === null) return;
      yield buffer.subarray(0, length);
    }
  } catch (error) {
    throw new UserError(`Cannot read ${path}: ${messageOf(error)}`, { cause: error });
  } finally {
    file?.close();
  }
}
