import { createHash } from "node:crypto";
import { chunksOf } from "../../../src/files/body_chunks.ts";
import { FileError } from "../../../src/files/file_error.ts";
import type {
  FileNodes,
  FilePlace,
  FileRecord,
  FilesService,
  ListQuery,
  NodeProgress,
  PutOptions,
  RepairStatus,
} from "../../../src/files/files.ts";
import type { BodySource } from "../../../src/platform/http_listener.ts";

const TIME_MS = 1_700_000_000_000;

/** Files in memory, by the rules of the cluster. */
export class FakeFiles implements FilesService {
  /** Thrown by every operation. */
  failure: Error | null = null;
  /** Offset at which reading breaks off with an error. */
  breaksAt = Infinity;
  /** Maximum size of a file in bytes. */
  sizeMax = Infinity;
  chunkBytes = 256 * 1024;
  nowMs = TIME_MS;
  /** Whether all happens in one millisecond. */
  isTimeStill = false;
  /** Number of reads that have begun and not ended. */
  reading = 0;
  /** Number of bytes that reads have handed over. */
  readBytes = 0;
  /** Number of bytes that uploads have delivered. */
  putBytes = 0;
  /** Number of commits that made a version. */
  commits = 0;
  /** Called before a commit. */
  beforeCommit: () => Promise<void> = () => Promise.resolve();
  readonly #files = new Map<string, FileRecord>();
  readonly #contents = new Map<string, Uint8Array>();
  #version = 0;

  /** Puts a content as it is. */
  set(name: string, content: Uint8Array | string, type = "text/plain"): FileRecord {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    return this.#commit(name, bytes, { size: bytes.length, type });
  }

  contentOf(name: string): Uint8Array | null {
    const record = this.#files.get(name);
    return record === undefined ? null : this.#contents.get(record.blob) ?? null;
  }

  stat(name: string): Promise<FileRecord | null> {
    return this.#answer(() => this.#files.get(name) ?? null);
  }

  list({ prefix = "", contains = "", cursor = "", count = 100, by = "name", reverse }: ListQuery) {
    return this.#answer(() => {
      const key = ({ name, size, modifiedMs }: FileRecord) =>
        by === "name" ? name : by === "size" ? size : modifiedMs;
      const files = [...this.#files.values()]
        .filter(({ name }) => name.startsWith(prefix) && name.includes(contains))
        .sort((a, b) => key(a) < key(b) ? -1 : 1);
      if (reverse) files.reverse();
      const from = Number(cursor);
      const end = from + count;
      return { files: files.slice(from, end), cursor: end < files.length ? String(end) : null };
    });
  }

  async put(name: string, body: BodySource, options: PutOptions): Promise<FileRecord> {
    if (this.failure !== null) throw this.failure;
    const done = this.#doneBefore(options);
    if (done === null) this.#check(name, options);
    if ((options.size ?? 0) > this.sizeMax) throw new FileError("too-large", "It is too large.");
    const chunks: Uint8Array[] = [];
    for await (const chunk of chunksOf(body)) {
      this.putBytes += chunk.length;
      chunks.push(chunk);
    }
    const bytes = new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
    await this.beforeCommit();
    return done ?? this.#commit(name, bytes, options);
  }

  async *read(
    record: FileRecord,
    from: number,
    to: number,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const content = this.#contents.get(record.blob);
    if (this.failure !== null) throw this.failure;
    if (content === undefined) throw new FileError("not-found", "There is no such content.");
    this.reading++;
    try {
      for (let at = from; at < to;) {
        await Promise.resolve();
        signal?.throwIfAborted();
        const end = Math.min(to, at + this.chunkBytes);
        if (end > this.breaksAt) throw new FileError("checksum-mismatch", "All copies are broken.");
        this.readBytes += end - at;
        yield content.subarray(at, end);
        at = end;
      }
    } finally {
      this.reading--;
    }
  }

  delete(name: string, { ifVersion }: { readonly ifVersion?: number }): Promise<boolean> {
    return this.#answer(() => {
      const record = this.#files.get(name);
      if (record === undefined) return false;
      if (ifVersion !== undefined && ifVersion !== record.version) throw failedCondition();
      return this.#files.delete(name);
    });
  }

  where(name: string): Promise<FilePlace | null> {
    return this.#answer(() =>
      this.#files.has(name)
        ? {
          id: "0123456789abc",
          responsible: "n1",
          wanted: ["n1", "n2"],
          holders: ["n1"],
          health: "degraded",
        }
        : null
    );
  }

  nodes(): Promise<FileNodes> {
    return this.#answer(() => ({ revision: 1, version: this.#version, nodes: [] }));
  }

  repair(): Promise<RepairStatus> {
    const none = {
      dead: 0,
      missing: 0,
      missingBytes: 0,
      below: 0,
      lost: 0,
      surplus: 0,
      nodes: 0,
      up: 0,
      out: 0,
    };
    return this.#answer(() => ({
      files: this.#files.size,
      bytes: 0,
      blobs: 0,
      ...none,
      draining: 0,
    }));
  }

  progress(): Promise<readonly NodeProgress[]> {
    const rates = { bytesPerSecond: 5, bytesPerSecondMax: 9 };
    return this.#answer(() => [{
      node: "n1",
      pulls: {
        ...rates,
        blobs: [{ blob: "0".repeat(32), size: 10, bytes: 4 }],
        left: 1,
        bytesLeft: 6,
        blobsDone: 3,
        bytesDone: 30,
        failures: 0,
      },
      scrub: { ...rates, done: 2, total: 3, rounds: 1, bytes: 50, corrupt: 0 },
    }]);
  }

  #answer<T>(run: () => T): Promise<T> {
    return new Promise((resolve) => {
      if (this.failure !== null) throw this.failure;
      resolve(run());
    });
  }

  #doneBefore({ attempt }: PutOptions): FileRecord | null {
    return [...this.#files.values()].find(({ blob }) => blob === attempt) ?? null;
  }

  #check(name: string, { condition }: PutOptions): void {
    const record = this.#files.get(name);
    const isKept = condition === undefined ||
      (condition === "absent" ? record === undefined : record !== undefined) &&
        (typeof condition === "string" || condition.ifVersion === record?.version);
    if (!isKept) throw failedCondition();
  }

  #commit(name: string, bytes: Uint8Array, options: PutOptions): FileRecord {
    const { sha256, md5 } = options.digests ?? {};
    const own = digestOf("sha256", bytes);
    if (![own, undefined].includes(sha256) || ![digestOf("md5", bytes), undefined].includes(md5)) {
      throw new FileError("checksum-mismatch", "The content is not what its digest says.");
    }
    this.#check(name, options);
    this.commits++;
    const blob = options.attempt ?? crypto.randomUUID().replaceAll("-", "");
    const version = ++this.#version;
    const record = {
      name,
      version,
      createdVersion: this.#files.get(name)?.createdVersion ?? version,
      size: bytes.length,
      sha256: own,
      type: options.type,
      blob,
      copies: options.copies ?? 3,
      createdMs: this.#files.get(name)?.createdMs ?? this.nowMs,
      modifiedMs: this.isTimeStill ? this.nowMs : this.nowMs++,
      owner: "",
      tags: {},
      holders: ["n1"],
    };
    this.#files.set(name, record);
    this.#contents.set(blob, bytes);
    return record;
  }
}

function digestOf(algorithm: string, bytes: Uint8Array): string {
  return createHash(algorithm).update(bytes).digest("hex");
}

function failedCondition(): FileError {
  return new FileError("precondition-failed", "The condition does not hold.");
}
