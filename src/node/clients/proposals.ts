import type { Arguments } from "../../base/byte_string.ts";
import { assert } from "../../base/errors.ts";
import type { ErrorReply } from "../../resp/reply.ts";
import { Batch, type LogEntry } from "../log/entry.ts";
import { type BatchPacer, FULL_BATCH_BYTES } from "./batch_pacer.ts";
import { LEADER_CHANGED, OUTCOME_UNKNOWN, type Request } from "./request.ts";

/** Bytes of writes in an entry, above which it takes no more writes. */
const ENTRY_BYTES_MAX = 1024 * 1024;
/** Estimated overhead of an argument in an entry. */
const BYTES_PER_ARGUMENT = 4;

/** A log entry that this node proposed, and the requests waiting for it. */
export interface Proposal {
  /**
   * Grows from proposal to proposal while this process lives. Indexes may be reused, this is not.
   */
  readonly sequence: number;
  readonly index: number;
  readonly term: number;
  /** Writes, and the reads that ride along among them. Empty once they were given up. */
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
 * The writes of this node's clients. They are open while they are collected, then proposed: in the
 * log, with an unknown outcome. A read after an open write of its own connection goes with the
 * entry, and is answered at its place when the entry is applied. The entry confirms the read as well
 * as a ReadIndex round would, because it was proposed after the read arrived.
 */
export class Proposals {
  readonly #pacer: BatchPacer;
  #open: Request[] = [];
  #openWriteCount = 0;
  #openBytes = 0;
  #proposed: Proposal[] = [];
  #head = 0;
  /** Of all open and proposed writes. */
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

  /** Of the open writes. */
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
  get newestSinceMs(): number {
    return this.#proposed.at(-1)?.sinceMs ?? -Infinity;
  }

  get underWayCount(): number {
    return this.#proposed.length - this.#head;
  }

  /** Whether the open writes go into the log now. */
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
   * Takes a batch for the log from the front of the open requests: all of them, or enough for an
   * entry of a good size. At least one write is open. `noteProposed` must be called next.
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
    const last = this.#proposed.at(-1);
    return last?.term === term ? last.index : 0;
  }

  /**
   * Returns this node's proposal that the committed entry is, or `null`. The proposal has no
   * requests if they were given up.
   *
   * Terms never decrease along a log. So an entry of a newer term also shows that older proposals
   * at or after its index are lost. Their requests are answered here as not executed.
   */
  decidedBy(entry: LogEntry): Proposal | null {
    for (;;) {
      const proposal = this.#proposed[this.#head];
      if (proposal === undefined) return null;
      const isOlder = proposal.index >= entry.index && proposal.term < entry.term;
      // A newer proposal is lost too when an entry from before it won its index.
      if (isOlder || (proposal.index === entry.index && proposal.term !== entry.term)) {
        this.#dropHead();
        for (const request of proposal.requests) request.settle(LEADER_CHANGED);
      } else if (proposal.index === entry.index) {
        this.#dropHead();
        // Given-up requests are gone, but waiting reads still have their place before the entry.
        if (proposal.requests.length > 0) this.#pacer.noteAnswers(proposal.requests);
        return proposal;
      } else {
        assert(proposal.index > entry.index, `proposal ${proposal.index} was passed over`);
        return null;
      }
    }
  }

  /**
   * Answers requests that waited too long, whose outcome is unknown. The proposals stay in flight,
   * and count, until they are decided.
   *
   * @param sinceMs proposals whose first request arrived at or before this time are given up
   */
  giveUp(sinceMs: number, reply: ErrorReply): void {
    for (let at = this.#head; at < this.#proposed.length; at++) {
      const proposal = this.#proposed[at];
      if (proposal === undefined || proposal.oldestMs > sinceMs) return;
      const { requests } = proposal;
      proposal.requests = [];
      settleUnknown(requests, reply);
    }
  }

  /**
   * A snapshot has decided all proposals up to `index`, without saying how.
   *
   * @returns sequence of the last of them; 0 when there was none
   */
  passOver(index: number): number {
    for (let sequence = 0;;) {
      const proposal = this.#proposed[this.#head];
      if (proposal === undefined || proposal.index > index) return sequence;
      sequence = proposal.sequence;
      this.#dropHead();
      settleUnknown(proposal.requests);
    }
  }

  #dropHead(): void {
    this.#bytes -= this.#proposed[this.#head]?.bytes ?? 0;
    this.#head++;
    if (this.#head === this.#proposed.length) {
      this.#proposed = [];
      this.#head = 0;
    } else if (this.#head >= 1024) {
      this.#proposed = this.#proposed.slice(this.#head);
      this.#head = 0;
    }
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
