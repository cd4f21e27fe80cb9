import { createHash } from "node:crypto";
import { basename, join, resolve } from "node:path";
import { messageOf, UserError } from "../../base/errors.ts";
import { fileNameOf } from "./file_names.ts";

const CHUNK_BYTES = 256 * 1024;
/** The word for standard input. */
export const STANDARD_INPUT = "-";

/** Something to upload. */
export interface Source {
  /** `-` for standard input. */
  readonly path: string;
  /** The name that the file gets. */
  readonly name: string;
}

export interface SourcesOptions {
  /** Whether directories count, with everything in them. */
  readonly isRecursive: boolean;
  /** Stands before each name. */
  readonly prefix: string;
  /** @default the last part of each path */
  readonly name: string | undefined;
  /** Called with what is in a directory, but is neither a file nor a directory. */
  readonly onSkipped: (path: string) => void;
}

/**
 * What these paths stand for, directories before what is in them, by names.
 *
 * @throws {UserError} when one does not exist, or two have the same name
 */
export function sourcesOf(paths: readonly string[], options: SourcesOptions): Source[] {
  const { isRecursive, prefix, name, onSkipped } = options;
  const sources: Source[] = [];
  const add = (path: string, own: string) => {
    sources.push({ path, name: fileNameOf(`${prefix}${own}`) });
  };
  for (const path of paths) {
    if (path === STANDARD_INPUT) add(path, name ?? "");
    else if (!isDirectory(path)) add(path, name ?? basename(path));
    else if (!isRecursive) {
      throw new UserError(`Cannot put ${path}: it is a directory; give --recursive`);
    } else {
      // What is in `.` or `..` gets no name of a directory.
      const parent = /(^|\/)\.{1,2}\/*$/.test(path) || resolve(path) === "/"
        ? ""
        : `${basename(path)}/`;
      for (const inner of filesIn(path, onSkipped)) add(join(path, inner), `${parent}${inner}`);
    }
  }
  const seen = new Map<string, string>();
  for (const { path, name } of sources) {
    const other = seen.get(name);
    if (other !== undefined) {
      throw new UserError(`Cannot put ${path}: it gets the same name as ${other}: ${name}`);
    }
    seen.set(name, path);
  }
  return sources;
}

/** The files below a directory, relative to it. Links to directories are not followed. */
function* filesIn(directory: string, onSkipped: (path: string) => void): Generator<string> {
  const entries = explaining(`read ${directory}`, () => [...Deno.readDirSync(directory)])
    .sort((a, b) => a.name < b.name ? -1 : 1);
  for (const { name, isFile, isDirectory: isInner, isSymlink } of entries) {
    const path = join(directory, name);
    if (isInner) {
      for (const inner of filesIn(path, onSkipped)) yield `${name}/${inner}`;
    } else if (isFile || (isSymlink && isLinkToFile(path))) yield name;
    else onSkipped(path);
  }
}

function isDirectory(path: string): boolean {
  return explaining(`read ${path}`, () => Deno.statSync(path).isDirectory);
}

function isLinkToFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false; // it points to nothing
  }
}

/** The content of a source, which is read once from its beginning to its end. */
export class Content {
  /** `null` when it is not known before the end. */
  readonly sizeBytes: number | null;
  readonly #path: string;
  readonly #file: Deno.FsFile | null;
  readonly #hash = createHash("sha256");

  private constructor(path: string, file: Deno.FsFile | null, sizeBytes: number | null) {
    this.#path = path;
    this.#file = file;
    this.sizeBytes = sizeBytes;
  }

  /** @throws {UserError} when it cannot be opened */
  static open(path: string): Content {
    if (path === STANDARD_INPUT) return new Content(path, null, null);
    return explaining(`read ${path}`, () => {
      const file = Deno.openSync(path);
      const { isFile, size } = file.statSync();
      return new Content(path, file, isFile ? size : null);
    });
  }

  /** Whether it can be read again. */
  get isRepeatable(): boolean {
    return this.sizeBytes !== null;
  }

  /**
   * @param onRead called with the number of bytes read so far
   * @throws {UserError} when it cannot be read, or has become shorter
   */
  async *chunks(onRead: (bytes: number) => void): AsyncGenerator<Uint8Array> {
    const total = this.sizeBytes ?? Infinity;
    for (let done = 0; done < total;) {
      const buffer = new Uint8Array(Math.min(CHUNK_BYTES, total - done));
      const length = await this.#read(buffer);
      if (length === null) {
        if (total === Infinity) return;
        throw new UserError(`Cannot read ${this.#path}: it became shorter meanwhile`);
      }
      const chunk = buffer.subarray(0, length);
      this.#hash.update(chunk);
      done += length;
      onRead(done);
      yield chunk;
    }
  }

  /** The SHA-256 of everything read, as 64 hexadecimal digits. Call it once. */
  sha256(): string {
    return this.#hash.digest("hex");
  }

  close(): void {
    this.#file?.close();
  }

  async #read(buffer: Uint8Array): Promise<number | null> {
    try {
      return await (this.#file ?? Deno.stdin).read(buffer);
    } catch (error) {
      throw new UserError(`Cannot read ${this.#path}: ${messageOf(error)}`, { cause: error });
    }
  }
}

/** Reports an error of `run` as `Cannot ${what}`. */
function explaining<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof UserError) throw error;
    const reason = error instanceof Deno.errors.NotFound ? "it does not exist" : messageOf(error);
    throw new UserError(`Cannot ${what}: ${reason}`, { cause: error });
  }
}
