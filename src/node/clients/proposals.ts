import type { Arguments } from "../../base/byte_string.ts";
import { assert } from "../../base/errors.ts";
import { Fifo } from "../../base/queues.ts";
import type { ErrorReply } from "../../resp/reply.ts";
import { Batch, type LogEntry } from "../log/entry.ts";
import { type BatchPacer, FULL_BATCH_BYTES } from "./batch_pacer.ts";
import { LEADER_CHANGED, OUTCOME_UNKNOWN, type Request } from "./request.ts";

/** An entry that holds this many bytes of writes takes no more. */
const ENTRY_BYTES_MAX = 1024 * 1024;
/** Estimated overhead of an argument in an entry, in bytes. */
const BYTES_PER_ARGUMENT = 4;

/** A log entry that this node proposed, and the requests waiting for it. */
export interface Proposal {
  /** Increases with each proposal of this process. Unlike an index, it is never reused. */
  readonly sequence: number;
  readonly index: number;
  readonly term: number;
  /** Writes, and the reads queued among them. Empty once they were given up. */
  requests: readonly Request[];
  readonly bytes: number;
  readonly sinceMs: number;
  /** Monotonic time of arrival of the first request. */
  readonly oldestMs: number;
}

/** Requests about to become one entry. */
export interface OpenBatch {
  readonly batch: Batch;
  readonly requests: readonly Request[];
  readonly bytes: number;
}

/**
 * The writes of this node's clients. A write is open while its batch is collected. Then it is
 * proposed: it is in the log, with an unknown outcome.
 *
 * A read that follows an open write of its own connection is queued with that write, and is
 * answered in its place when the entry is applied. It needs no ReadIndex round: the entry was
 * proposed after the read arrived, so its commit proves as much.
 */
export class Proposals {
  readonly #pacer: BatchPacer;
  #open: Request[] = [];
  #openWriteCount = 0;
  #openBytes = 0;
  readonly #proposed = new Fifo<Proposal>();
  /** Bytes of all open and proposed writes. */
  #bytes = 0;
  #lastSequence = 0;

  constructor(pacer: BatchPacer) {
    this.#pacer = pacer;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get lastSequence(): number {
    return this.#lastSequence;
  }

  /** Bytes of the open writes. */
  get openBytes(): number {
    return this.#openBytes;
  }

  /** Whether the open writes fill an entry. */
  get isFull(): boolean {
    return this.#openBytes >= FULL_BATCH_BYTES;
  }

  get openWriteCount(): number {
    return this.#openWriteCount;
  }

  /** Monotonic time of the newest proposal. */
  get newestSentMs(): number {
    return this.#newest?.sinceMs ?? -Infinity;
  }

  get batchesInFlight(): number {
    return this.#proposed.size;
  }

  /** Number of requests that wait for an entry, open or proposed. */
  get requestCount(): number {
    let count = this.#open.length;
    for (let at = 0; at < this.#proposed.size; at++) {
      count += this.#proposed.at(at)?.requests.length ?? 0;
    }
    return count;
  }

  /** Whether to propose the open writes now. */
  isDue(): boolean {
    return this.#pacer.isDue(this);
  }

  /** Whether one more write may have made the batch due. */
  mayBeDue(): boolean {
    return this.#pacer.mayBeDue(this);
  }

  addWrite(request: Request): void {
    this.#pacer.noteRequest(request.client);
    request.client.openWrites++;
    this.#openWriteCount++;
    const bytes = bytesOf(request);
    this.#openBytes += bytes;
    this.#bytes += bytes;
    this.#open.push(request);
  }

  addReadAfterWrite(request: Request): void {
    this.#open.push(request);
  }

  /** Takes the open reads when there is no open write whose entry could answer them. */
  takeReadsOnly(): Request[] {
    return this.#openWriteCount === 0 ? this.takeOpen() : [];
  }

  /** Takes the open requests that arrived at or before this time. */
  takeOpenOlderThan(sinceMs: number): Request[] {
    let count = 0;
    for (const request of this.#open) {
      if (request.sinceMs > sinceMs) break;
      count++;
      if (!request.isWrite) continue;
      const bytes = bytesOf(request);
      this.#bytes -= bytes;
      this.#openBytes -= bytes;
      this.#openWriteCount--;
    }
    return count === 0 ? [] : this.#open.splice(0, count);
  }

  /** Takes all open requests. */
  takeOpen(): Request[] {
    const open = this.#open;
    this.#open = [];
    this.#openWriteCount = 0;
    this.#openBytes = 0;
    for (const request of open) if (request.isWrite) this.#bytes -= bytesOf(request);
    return open;
  }

  /**
   * Takes the next batch from the front of the open requests: all of them, or as many as fit one
   * entry. At least one write must be open. Call `noteProposed` next.
   */
  sealOpen(timeMs: number): OpenBatch {
    const commands: Arguments[] = [];
    let bytes = 0;
    let count = 0;
    for (const request of this.#open) {
      if (request.isWrite) {
        if (bytes >= ENTRY_BYTES_MAX) break;
        commands.push(request.args);
        bytes += bytesOf(request);
      }
      count++;
    }
    assert(commands.length > 0, "an entry without a write was sealed");
    const requests = count === this.#open.length ? this.#open : this.#open.slice(0, count);
    this.#open = count === this.#open.length ? [] : this.#open.slice(count);
    this.#openWriteCount -= commands.length;
    this.#openBytes -= bytes;
    return { batch: new Batch(timeMs, commands), requests, bytes };
  }

  noteProposed(index: number, term: number, { requests, bytes }: OpenBatch, nowMs: number): void {
    const sequence = ++this.#lastSequence;
    const oldestMs = requests[0]?.sinceMs ?? nowMs;
    this.#proposed.push({ sequence, index, term, requests, bytes, sinceMs: nowMs, oldestMs });
  }

  /** Index of the newest undecided proposal of this term; 0 when there is none. */
  lastIndexIn(term: number): number {
    const newest = this.#newest;
    return newest?.term === term ? newest.index : 0;
  }

  /**
   * Returns this node's proposal that became this committed entry; `null` if the entry is not from
   * this node. The proposal has no requests if they were given up.
   *
   * Terms never decrease along a log. So an entry of a newer term also shows that older proposals
   * at or after its index are lost. Their requests are answered here as not executed.
   */
  takeFor(entry: LogEntry): Proposal | null {
    for (;;) {
      const proposal = this.#proposed.at(0);
      if (proposal === undefined) return null;
      const isOlder = proposal.index >= entry.index && proposal.term < entry.term;
      // A proposal of a newer term is lost too when an older entry was committed at its index.
      if (isOlder || (proposal.index === entry.index && proposal.term !== entry.term)) {
        this.#dropOldest();
        for (const request of proposal.requests) request.settle(LEADER_CHANGED);
      } else if (proposal.index === entry.index) {
        this.#dropOldest();
        // Requests that were given up are gone, but reads may wait for their place before the
        // entry.
        if (proposal.requests.length > 0) this.#pacer.noteAnswers(proposal.requests);
        return proposal;
      } else {
        assert(proposal.index > entry.index, `proposal ${proposal.index} was passed over`);
        return null;
      }
    }
  }

  /**
   * Answers requests that have waited too long: their outcome is unknown. Their proposals stay in
   * flight, and count, until they are committed or lost.
   *
   * @param sinceMs proposals whose first request arrived at or before this time are given up
   */
  giveUp(sinceMs: number, reply: ErrorReply): void {
    for (let at = 0; at < this.#proposed.size; at++) {
      const proposal = this.#proposed.at(at);
      if (proposal === undefined || proposal.oldestMs > sinceMs) return;
      const { requests } = proposal;
      proposal.requests = [];
      settleUnknown(requests, reply);
    }
  }

  /**
   * A snapshot has replaced the log up to `index`. Whether it contains the proposals up to there is
   * unknown.
   *
   * @returns sequence of the last of them; 0 when there was none
   */
  settleCovered(index: number): number {
    for (let sequence = 0;;) {
      const proposal = this.#proposed.at(0);
      if (proposal === undefined || proposal.index > index) return sequence;
      sequence = proposal.sequence;
      this.#dropOldest();
      settleUnknown(proposal.requests);
    }
  }

  get #newest(): Proposal | undefined {
    const { size } = this.#proposed;
    return size === 0 ? undefined : this.#proposed.at(size - 1);
  }

  #dropOldest(): void {
    this.#bytes -= this.#proposed.shift()?.bytes ?? 0;
  }
}

/** Answers requests whose outcome this node will never know. */
export function settleUnknown(requests: readonly Request[], reply = OUTCOME_UNKNOWN): void {
  for (const request of requests) {
    request.settle(request.isWrite ? reply : LEADER_CHANGED);
  }
}

function bytesOf(request: Request): number {
  let bytes = 0;
  for (const argument of request.args) bytes += argument.length + BYTES_PER_ARGUMENT;
  return bytes;
}
