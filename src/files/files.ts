import type { Logger } from "../base/logger.ts";
import type { Clock } from "../platform/clock.ts";
import type { BodySource } from "../platform/http_listener.ts";
import type { BlobPeers, BlobStorage } from "./blobs.ts";
import { Downloads } from "./download.ts";
import { FileError } from "./file_error.ts";
import {
  type FileList,
  FileMetadata,
  type FileNodes,
  type FilePlace,
  type FileRecord,
  type ListQuery,
  type RepairStatus,
  type SendCommand,
} from "./file_metadata.ts";
import { Healer, type HealerStatus, type OwnNode } from "./healer.ts";
import type { HealerLimits } from "./healer_limits.ts";
import { LayoutCache } from "./layout.ts";
import { type NodeProgress, progressIn, ProgressQuestions } from "./node_progress.ts";
import { checkName, type PutOptions } from "./put_options.ts";
import { Reports } from "./reports.ts";
import type { ScrubPlace } from "./scrubber.ts";
import { SongTagger } from "./song_tagger.ts";
import { isSong } from "./song_tags.ts";
import { Turns } from "./turns.ts";
import { UPLOAD_LIMITS, type UploadLimits } from "./upload_limits.ts";
import { Uploads } from "./uploads.ts";

export type {
  FileList,
  FileNode,
  FileNodes,
  FilePlace,
  FileRecord,
  ListQuery,
  RepairStatus,
} from "./file_metadata.ts";
export type { NodeProgress } from "./node_progress.ts";
export type { PutOptions } from "./put_options.ts";

/** All that can be done with files. Errors are `FileError`s. */
export interface FilesService {
  stat(name: string): Promise<FileRecord | null>;
  list(query: ListQuery): Promise<FileList>;
  /**
   * Streams the body to the holders, and makes it visible. What it does not want of the body is
   * left to the caller, paused.
   */
  put(name: string, body: BodySource, options: PutOptions): Promise<FileRecord>;
  /**
   * The bytes from `from` to `to - 1` of the record's content, each verified. Goes on from another
   * holder when one dies. Ending the iteration early releases everything.
   */
  read(
    record: FileRecord,
    from: number,
    to: number,
    signal?: AbortSignal,
  ): AsyncIterable<Uint8Array>;
  /** @returns false when there is no such file */
  delete(name: string, condition: { readonly ifVersion?: number }): Promise<boolean>;
  where(name: string): Promise<FilePlace | null>;
  nodes(): Promise<FileNodes>;
  repair(): Promise<RepairStatus>;
  /** What the nodes do to repair: those that answer within a second, in the order of their ids. */
  progress(): Promise<readonly NodeProgress[]>;
}

/** What a node has and a proxy has not: a disk for contents. */
export interface FilesStorage {
  readonly node: OwnNode;
  readonly local: BlobStorage;
  /** Whether this node leads at the moment. */
  readonly isLeader: () => boolean;
  /** The ids of the members of Raft's configuration; `null` if this node does not know them. */
  readonly members: () => readonly string[] | null;
  readonly scrubPlace: ScrubPlace;
  readonly limits?: Partial<HealerLimits>;
}

export interface FilesOptions {
  /** Sends a command to the cluster, exactly once. */
  readonly send: SendCommand;
  readonly peers: BlobPeers;
  readonly clock: Clock;
  readonly logger: Logger;
  /** `null` for a proxy. */
  readonly storage: FilesStorage | null;
  /** Number of copies of a file for which none is given. @default 3 */
  readonly copies?: number;
  /**
   * Asks the node at an address what it does to repair: `healing` of its files service.
   *
   * @default nobody is asked
   */
  readonly progressAt?: (address: string) => Promise<unknown>;
  /** @default random */
  readonly newBlobId?: () => string;
  readonly uploadLimits?: Partial<UploadLimits>;
  /** Maximum number of reads at the same time, beside those that repair. @default Infinity */
  readonly readsMax?: number;
  /** Time in milliseconds after which a holder that sends nothing is given up. @default 10,000 */
  readonly readStalledMs?: number;
}

/** The files service of a node or of a proxy. */
export class Files implements FilesService {
  readonly #options: FilesOptions;
  readonly #metadata: FileMetadata;
  readonly #uploads: Uploads;
  readonly #downloads: Downloads;
  readonly #readTurns: Turns;
  readonly #healer: Healer | null;
  readonly #layout: LayoutCache;
  readonly #newBlobId: () => string;
  readonly #progress: ProgressQuestions;

  constructor(options: FilesOptions) {
    const { send, peers, clock, logger, storage, copies = 3, newBlobId = randomBlobId } = options;
    this.#options = options;
    const metadata = this.#metadata = new FileMetadata(send);
    const layout = this.#layout = new LayoutCache(metadata, clock);
    this.#newBlobId = newBlobId;
    const nodeId = storage?.node.id ?? null;
    const local = storage?.local ?? null;
    const shared = { metadata, layout, nodeId, local, peers, clock, logger };
    this.#uploads = new Uploads({
      ...shared,
      copies,
      newBlobId,
      limits: { ...UPLOAD_LIMITS, ...options.uploadLimits },
    });
    const reports = storage === null ? null : new Reports(storage.node.id, metadata, logger);
    const onLost = (blob: string) => {
      reports?.addLost(blob);
      this.#healer?.wake();
    };
    if (local !== null) local.onLost = onLost; // also when it is another node that reads
    this.#progress = new ProgressQuestions(options.progressAt ?? (() => Promise.resolve()), clock);
    const { readStalledMs, readsMax = Infinity } = options;
    this.#readTurns = new Turns({
      countMax: readsMax,
      waitMs: UPLOAD_LIMITS.turnMs,
      what: "reads",
      clock,
    });
    this.#downloads = new Downloads({
      ...shared,
      onLost,
      ...(readStalledMs === undefined ? {} : { stalledMs: readStalledMs }),
    });
    this.#healer = storage === null || reports === null ? null : new Healer({
      ...storage,
      ...shared,
      local: storage.local,
      downloads: this.#downloads,
      reports,
    });
  }

  /** Begins to repair, and announces the node. */
  start(): void {
    this.#healer?.start();
  }

  /** Ends uploads and repair. Nothing half done is left. */
  async stop(): Promise<void> {
    await Promise.all([this.#uploads.close(), this.#healer?.stop()]);
  }

  /** What this node does to repair; `null` for a proxy. */
  get healing(): HealerStatus | null {
    return this.#healer?.status ?? null;
  }

  /** Number of uploads and reads in progress. */
  get transfers(): { readonly uploads: number; readonly reads: number } {
    return { uploads: this.#uploads.running, reads: this.#downloads.running };
  }

  async stat(name: string): Promise<FileRecord | null> {
    checkName(name);
    return await this.#metadata.stat(name);
  }

  list(query: ListQuery): Promise<FileList> {
    return this.#metadata.list(query);
  }

  put(name: string, body: BodySource, options: PutOptions): Promise<FileRecord> {
    const { type } = options;
    const { clock, logger } = this.#options;
    const tagger = isSong(type)
      ? new SongTagger({
        type,
        files: { put: (...cover) => this.#uploads.putWithin(...cover) },
        clock,
        logger,
      })
      : null;
    return this.#uploads.put(name, body, tagger === null ? options : { ...options, tagger });
  }

  async *read(
    record: FileRecord,
    from: number,
    to: number,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, void> {
    const end = await this.#readTurns.take();
    try {
      yield* this.#downloads.read(record, from, to, { signal });
    } finally {
      end();
    }
  }

  async delete(name: string, condition: { readonly ifVersion?: number }): Promise<boolean> {
    checkName(name);
    return await this.#metadata.delete(name, condition);
  }

  async where(name: string): Promise<FilePlace | null> {
    checkName(name);
    return await this.#metadata.where(name);
  }

  nodes(): Promise<FileNodes> {
    return this.#metadata.nodes();
  }

  /**
   * The address of a node's files port.
   *
   * @throws {FileError} `not-found` when the cluster says that there is no such node
   */
  async addressOf(node: string): Promise<string> {
    const known = (await this.#layout.get()).node(node) ??
      (await this.#layout.refresh()).node(node); // it may have come within the last second
    if (known !== null) return known.address;
    throw new FileError("not-found", `Node ${node} has no part in files.`);
  }

  /** The id of the node with this files port, as of the last look at the layout; `null`: unknown. */
  nodeAt(address: string): string | null {
    return this.#layout.nodeAt(address);
  }

  /** Any node that takes files. @throws {FileError} `unavailable` when there is none */
  async anyNode(): Promise<string> {
    const nodes = (await this.#layout.get()).candidates(this.#newBlobId());
    const [node] = nodes;
    if (node !== undefined) return node.id;
    throw new FileError("unavailable", "No node of the cluster takes files at the moment.");
  }

  repair(): Promise<RepairStatus> {
    return this.#metadata.repair();
  }

  async progress(): Promise<readonly NodeProgress[]> {
    const own = this.#options.storage?.node.id;
    const { nodes } = (await this.#layout.get()).nodes;
    const answers = await Promise.all(nodes.map(({ id, address, state }) => {
      if (id === own) return progressIn(id, this.healing);
      return state === "out" ? null : this.#progress.ask(id, address);
    }));
    return answers.flatMap((answer) => answer ?? []);
  }
}

function randomBlobId(): string {
  return Array.from(
    crypto.getRandomValues(new Uint8Array(16)),
    (byte) => byte.toString(16).padStart(2, "0"),
  ).join("");
}
