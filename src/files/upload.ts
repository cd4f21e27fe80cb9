import { joinBytes } from "../base/bytes.ts";
import type { Logger } from "../base/logger.ts";
import type { Cancel, Clock } from "../platform/clock.ts";
import type { BlobPeers, BlobStorage, BlobSummary } from "./blobs.ts";
import type { BodyReader } from "./body_reader.ts";
import { BodySums, type Content } from "./body_sums.ts";
import { FileError } from "./file_error.ts";
import {
  type CommittedFile,
  type FileMetadata,
  type FileNode,
  type FileRecord,
  RefusedCommand,
  type Tags,
} from "./file_metadata.ts";
import type { LayoutCache } from "./layout.ts";
import type { Piece } from "./pieces.ts";
import { checkCondition, type PutOptions } from "./put_options.ts";
import { UploadLane } from "./upload_lane.ts";
import type { UploadLimits } from "./upload_limits.ts";
import { wait } from "./waits.ts";

/** What all uploads share. */
export interface UploadContext {
  readonly metadata: FileMetadata;
  readonly layout: LayoutCache;
  /** Of this process; `null` if it stores nothing, as a proxy does not. */
  readonly nodeId: string | null;
  readonly local: BlobStorage | null;
  readonly peers: BlobPeers;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Number of copies of a file for which none is given. */
  readonly copies: number;
  readonly limits: UploadLimits;
  /** Number of bytes that may wait for the slowest holder of one upload at the moment. */
  readonly bufferShare: () => number;
}

/** How often holders are checked for stalls, in milliseconds. */
const CHECK_MS = 1_000;
/** Pause before a commit is tried again, in milliseconds. */
const RETRY_MS = 250;

/** Number of copies that must be confirmed before a file becomes visible. */
export function majorityOf(copies: number): number {
  return Math.floor(copies / 2) + 1;
}

/**
 * The upload of one file: streams its body to several holders, and makes it visible when a majority
 * of them have confirmed the checksum. If that fails, it removes what it has written.
 */
export class Upload {
  readonly #context: UploadContext;
  readonly #name: string;
  readonly #blob: string;
  readonly #reader: BodyReader;
  #options: PutOptions;
  readonly #copies: number;
  readonly #lanes: UploadLane[] = [];
  /** Failed lanes that a stand-in has replaced, or for which there was none. */
  readonly #replaced = new Set<UploadLane>();
  /** Nodes that may still become holders, the wanted ones first. */
  #candidates: FileNode[] = [];
  #needed = 1;
  /** The whole body so far, as long as it is short enough to be sent to a stand-in. */
  #beginning: Piece[] | null = [];
  #beginningBytes = 0;
  /** What the tagger gets. */
  readonly #head: Uint8Array[] = [];
  #headBytes = 0;
  /** Whether bytes of the body are still to come. */
  #isReceiving = false;
  /** Of the whole body; `null` before it has come. */
  #sha256: string | null = null;
  /** Whether a commit was sent of which nobody knows whether it was executed. */
  #isUnknown = false;
  #isCommitted = false;
  #isCancelled = false;
  #wake: () => void = () => {};
  #cancelCheck: Cancel = () => {};

  constructor(
    context: UploadContext,
    name: string,
    blob: string,
    reader: BodyReader,
    options: PutOptions,
  ) {
    this.#context = context;
    this.#name = name;
    this.#blob = blob;
    this.#reader = reader;
    this.#options = options;
    this.#copies = options.copies ?? context.copies;
  }

  /**
   * @param inBackground is given what goes on after the end
   * @throws {FileError}
   */
  async run(inBackground: (work: Promise<void>) => void): Promise<FileRecord> {
    try {
      const earlier = await this.#checkEarly();
      if (earlier !== null) return earlier;
      await this.#open();
      const summary = await this.#receive();
      const [tags] = await Promise.all([this.#tags(summary.size), this.#confirm(summary)]);
      this.#options = { ...this.#options, tags };
      const committed = await this.#commit(summary);
      this.#isCommitted = true;
      for (const lane of this.#lanes) {
        if (lane.isWorking) inBackground(this.#recordLate(lane, summary));
      }
      return this.#recordOf(committed, summary);
    } catch (error) {
      inBackground(this.#discard());
      throw error;
    } finally {
      this.#cancelCheck();
      this.#dropBeginning();
    }
  }

  /** Ends it with an error, unless its commit is under way. Nothing goes on after its end. */
  cancel(): void {
    this.#isCancelled = true;
    this.#reader.stop();
    this.#wake();
    if (!this.#isCommitted) return;
    for (const lane of this.#lanes) {
      if (lane.isWorking) lane.fail(new FileError("aborted", "This node is being stopped."));
    }
  }

  /** @returns the file, if the same attempt has succeeded before */
  async #checkEarly(): Promise<FileRecord | null> {
    const { condition, attempt } = this.#options;
    if (condition === undefined && attempt === undefined) return null;
    const { metadata } = this.#context;
    const record = await metadata.stat(this.#name);
    if (record?.blob === this.#blob) return record;
    if (attempt !== undefined && (await metadata.blobs([attempt]))[0] !== null) {
      throw new FileError("conflict", "What this attempt has stored was replaced or deleted.");
    }
    if (condition !== undefined) checkCondition(condition, record);
    return null;
  }

  async #open(): Promise<void> {
    const { layout } = this.#context;
    this.#candidates = [...(await layout.get()).candidates(this.#name)];
    if (this.#candidates.length < this.#copies) {
      // There may be more of them since the last look.
      this.#candidates = [...(await layout.refresh()).candidates(this.#name)];
    }
    if (this.#candidates.length === 0) {
      throw new FileError("unavailable", "No node of the cluster takes files at the moment.");
    }
    const count = Math.min(this.#copies, this.#candidates.length);
    this.#needed = majorityOf(count);
    for (let at = 0; at < count; at++) this.#openNext();
    this.#checkStalls();
  }

  /** Opens the way to the next candidate, if there is one. */
  #openNext(): void {
    const node = this.#candidates.shift();
    if (node === undefined) return;
    const { nodeId, local, peers, clock } = this.#context;
    const isOwn = node.id === nodeId && local !== null;
    const { size, attempt } = this.#options;
    const remove = () => isOwn ? local.remove(this.#blob) : peers.remove(node.address, this.#blob);
    const open = async () => {
      // An earlier try may have come to its end here. The log does not know of it.
      if (attempt !== undefined) await remove();
      return isOwn
        ? await local.create(this.#blob, size)
        : peers.push(node.address, this.#blob, size);
    };
    const lane = new UploadLane({
      node: node.id,
      open,
      remove,
      clock,
      changed: () => this.#laneChanged(),
    });
    for (const piece of this.#beginning ?? []) lane.push(piece);
    if (this.#sha256 !== null) lane.end(this.#sha256);
    this.#lanes.push(lane);
  }

  #checkStalls(): void {
    const { clock, limits } = this.#context;
    for (const lane of this.#lanes) {
      lane.failIfStalled(lane.isFinishing ? limits.finishMs : limits.stalledMs);
    }
    this.#cancelCheck = clock.after(CHECK_MS, () => this.#checkStalls());
  }

  /** Has the body sent when enough holders have agreed, and streams it to them. */
  async #receive(): Promise<Content> {
    this.#isReceiving = true;
    try {
      await this.#untilAgreed();
      return await this.#send();
    } finally {
      this.#isReceiving = false;
    }
  }

  async #untilAgreed(): Promise<void> {
    for (;;) {
      this.#replaceFailed();
      if (this.#living().filter((lane) => lane.hasAgreed).length >= this.#needed) return;
      await this.#change();
    }
  }

  /** The body is not waited for any more when too many holders have failed. */
  #laneChanged(): void {
    this.#wake();
    if (!this.#isReceiving) return;
    try {
      this.#replaceFailed();
    } catch (error) {
      this.#reader.fail(error instanceof FileError ? error : this.#tooFewHolders());
    }
  }

  /** Streams the whole body. */
  async #send(): Promise<Content> {
    const sums = new BodySums(this.#options);
    for (;;) {
      const piece = await this.#reader.next();
      if (piece === null) return sums.finish();
      try {
        sums.add(piece.bytes);
        for (const lane of this.#lanes) lane.push(piece);
        this.#keepHead(piece.bytes);
        this.#keepBeginning(piece);
      } finally {
        piece.release();
      }
      await this.#room();
    }
  }

  #keepBeginning(piece: Piece): void {
    if (this.#beginning === null) return;
    piece.retain();
    this.#beginning.push(piece);
    this.#beginningBytes += piece.bytes.length;
  }

  #dropBeginning(): void {
    for (const piece of this.#beginning ?? []) piece.release();
    this.#beginning = null;
  }

  #keepHead(chunk: Uint8Array): void {
    const missing = (this.#options.tagger?.headBytes ?? 0) - this.#headBytes;
    if (missing <= 0) return;
    const part = chunk.slice(0, missing);
    this.#head.push(part);
    this.#headBytes += part.length;
  }

  /** The tags that were given, and those that the content has. */
  async #tags(size: number): Promise<Tags> {
    const { tagger, tags = {} } = this.#options;
    if (tagger === undefined) return tags;
    const found = await tagger.tagsOf(joinBytes(this.#head), size);
    this.#head.length = 0;
    return { ...found, ...tags };
  }

  /** Waits until the slowest holder has taken enough. */
  async #room(): Promise<void> {
    const share = this.#context.bufferShare();
    for (;;) {
      this.#replaceFailed();
      const living = this.#living();
      const isStarted = living.every((lane) => lane.isStarted);
      if (this.#beginningBytes > share && isStarted) this.#dropBeginning();
      if (living.every((lane) => lane.queuedBytes < share)) return;
      await this.#change();
    }
  }

  #living(): UploadLane[] {
    return this.#lanes.filter((lane) => lane.failure === null);
  }

  /** Opens stand-ins for holders that failed at the start. @throws {FileError} if too few are left */
  #replaceFailed(): void {
    if (this.#isCancelled) throw new FileError("aborted", "The upload was given up.");
    for (const lane of [...this.#lanes]) {
      if (lane.failure === null || this.#replaced.has(lane)) continue;
      this.#replaced.add(lane);
      this.#context.logger.warn(
        `upload of blob ${this.#blob} to ${lane.node} failed: ${lane.failure.message}`,
      );
      if (this.#beginning !== null) this.#openNext();
    }
    if (this.#living().length < this.#needed) throw this.#tooFewHolders();
  }

  #tooFewHolders(): FileError {
    const failures = this.#lanes.flatMap(({ failure }) => failure ?? []);
    if (failures.some(({ code }) => code === "insufficient-storage")) {
      return new FileError(
        "insufficient-storage",
        "Too few nodes have room for the file: delete others, or add nodes.",
      );
    }
    const [cause] = failures;
    return new FileError(
      "unavailable",
      "Too few nodes took the file: try again later.",
      cause === undefined ? undefined : { cause },
    );
  }

  /** Waits for the holders: for a majority as long as it takes, for the others shortly. */
  async #confirm({ sha256, ...expected }: Content): Promise<void> {
    this.#sha256 = sha256;
    for (const lane of this.#lanes) lane.end(sha256);
    let isLate = false;
    let cancelLate: Cancel | null = null;
    try {
      for (;;) {
        this.#refuseWrong(expected);
        this.#replaceFailed();
        if (this.#holders().length >= this.#needed) {
          if (isLate || this.#lanes.every((lane) => !lane.isWorking)) return;
          cancelLate ??= this.#context.clock.after(this.#context.limits.lateMs, () => {
            isLate = true;
            this.#wake();
          });
        }
        await this.#change();
      }
    } finally {
      cancelLate?.();
    }
  }

  #refuseWrong(expected: BlobSummary): void {
    for (const lane of this.#lanes) {
      const { summary } = lane;
      if (summary === null || isSame(summary, expected)) continue;
      lane.fail(new FileError("checksum-mismatch", `Node ${lane.node} got other bytes.`));
    }
  }

  /** The nodes that have confirmed their copy. */
  #holders(): readonly string[] {
    return this.#lanes.flatMap(({ summary, node }) => summary === null ? [] : node);
  }

  async #commit(
    { size, sha256 }: Content,
  ): Promise<CommittedFile & Pick<FileRecord, "holders">> {
    const { metadata, clock, limits } = this.#context;
    const { type, owner = "", tags = {}, condition = null } = this.#options;
    const startMs = clock.nowMs();
    const giveUpMs = clock.monotonicMs() + limits.commitMs;
    let holders = this.#holders();
    for (;;) {
      const deadlineMs = Math.round(
        startMs + (this.#isUnknown ? limits.repeatedMs : limits.deadlineMs),
      );
      try {
        const committed = await metadata.commit({
          size,
          sha256,
          name: this.#name,
          blob: this.#blob,
          copies: this.#copies,
          holders,
          deadlineMs,
          type,
          owner,
          tags,
          condition,
        });
        if (committed !== null) return { ...committed, holders: holders.toSorted() };
        throw new FileError("precondition-failed", "The file was changed meanwhile.");
      } catch (error) {
        if (!(error instanceof FileError)) {
          this.#isUnknown = true;
          throw error;
        }
        if (error.code === "outcome-unknown") this.#isUnknown = true;
        const isHolderGone = error instanceof RefusedCommand &&
          (error.word === "FILENODE" || error.word === "FILECOPIES");
        if (isHolderGone) holders = await this.#holdersLeft();
        const isTransient = error.code === "outcome-unknown" || error.code === "unavailable";
        if (!isTransient || clock.monotonicMs() >= giveUpMs) throw this.#commitError(error);
        await wait(clock, RETRY_MS);
      }
    }
  }

  /** After an unknown outcome, a refusal says nothing about the first attempt. */
  #commitError(error: FileError): FileError {
    if (!this.#isUnknown) return error;
    return new FileError(
      "outcome-unknown",
      "Whether the file was stored is not known: look at it before you try again.",
      { cause: error },
    );
  }

  /** The confirmed holders that the layout still counts on. @throws {FileError} if too few */
  async #holdersLeft(): Promise<readonly string[]> {
    const layout = await this.#context.layout.refresh();
    const up = layout.candidates(this.#name);
    const holders = this.#holders().filter((id) => layout.node(id)?.state === "up");
    if (holders.length >= majorityOf(Math.min(this.#copies, up.length))) return holders;
    throw this.#commitError(this.#tooFewHolders());
  }

  #recordOf(
    committed: CommittedFile & Pick<FileRecord, "holders">,
    { size, sha256 }: Content,
  ): FileRecord {
    const { type, owner = "", tags = {} } = this.#options;
    return {
      ...committed,
      size,
      sha256,
      name: this.#name,
      type,
      blob: this.#blob,
      copies: this.#copies,
      owner,
      tags,
    };
  }

  /** Records a copy that was confirmed after the commit. Otherwise its node will find it. */
  async #recordLate(lane: UploadLane, expected: BlobSummary): Promise<void> {
    const { metadata, clock, limits, logger } = this.#context;
    const cancel = clock.after(
      limits.finishMs,
      () => lane.fail(new FileError("unavailable", `Node ${lane.node} did not finish.`)),
    );
    try {
      await lane.settled;
      if (lane.summary === null || !isSame(lane.summary, expected)) return;
      await metadata.held(lane.node, [this.#blob]);
    } catch (error) {
      logger.warn(`late copy of blob ${this.#blob} at ${lane.node} not recorded: ${error}`);
    } finally {
      cancel();
    }
  }

  /**
   * Removes everything. If the file may be visible, or may become so, it stays: the holders remove
   * it when they have asked the log, after a grace time.
   */
  async #discard(): Promise<void> {
    if (this.#isUnknown || this.#options.attempt !== undefined) {
      for (const lane of this.#lanes) {
        if (!lane.isFinishing && lane.isWorking) lane.fail(new FileError("aborted", "Given up."));
      }
      return;
    }
    const results = await Promise.allSettled(this.#lanes.map((lane) => lane.discard()));
    for (const result of results) {
      if (result.status === "fulfilled") continue;
      this.#context.logger.warn(`blob ${this.#blob} stays for the time being: ${result.reason}`);
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake = resolve);
  }
}

function isSame(summary: BlobSummary, expected: BlobSummary): boolean {
  return summary.size === expected.size && summary.checksum === expected.checksum;
}
