import { assert } from "../../base/errors.ts";
import type { ErrorReply } from "../../resp/reply.ts";
import { Batch, type LogEntry } from "../log/entry.ts";
import { FULL_BATCH_BYTES, type Gathering } from "./batch_pacer.ts";
import { LEADER_CHANGED, OUTCOME_UNKNOWN, type Request } from "./request.ts";

/** Bytes of writes above which an entry takes no more of them. */
const ENTRY_BYTES_MAX = 1024 * 1024;
const BYTES_PER_ARGUMENT = 4;

/** A log entry that this node proposed, and the requests that wait for it. */
export interface Proposal {
  /** Grows from proposal to proposal in this node's life; indexes may come again, this does not. */
  readonly sequence: number;
  readonly index: number;
  readonly term: number;
  /** Writes, and reads that ride along at their place among them; none once they are given up. */
  requests: readonly Request[];
  readonly bytes: number;
  readonly sinceMs: number;
  /** When the first of its requests came. */
  readonly oldestMs: number;
}

/** Requests that are to become one entry. */
export interface OpenBatch {
  readonly batch: Batch;
  readonly requests: readonly Request[];
  readonly bytes: number;
}

/**
 * The writes of this node's clients: first open (collected until the turn ends), then proposed (in
 * the log, outcome awaited). A read behind an open write of its own connection rides along: it is
 * answered at its place when the entry is applied, which confirms it as well as a ReadIndex round
 * would, because the entry was proposed after the read came in.
 */
export class Proposals {
  readonly #gathering: Gathering;
  #open: Request[] = [];
  #openWriteCount = 0;
  #openBytes = 0;
  #proposed: Proposal[] = [];
  #head = 0;
  /** Of all that is open or proposed. */
  #bytes = 0;
  #lastSequence = 0;

  constructor(gathering: Gathering) {
    this.#gathering = gathering;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get lastSequence(): number {
    return this.#lastSequence;
  }

  /** Of the writes that are open. */
  get openBytes(): number {
    return this.#openBytes;
  }

  /** Whether they are enough for an entry. */
  get isFull(): boolean {
    return this.#openBytes >= FULL_BATCH_BYTES;
  }

  get openWriteCount(): number {
    return this.#openWriteCount;
  }

  /** When the newest of those that are proposed was. */
  get newestSinceMs(): number {
    return this.#proposed.at(-1)?.sinceMs ?? -Infinity;
  }

  get underWayCount(): number {
    return this.#proposed.length - this.#head;
  }

  /** Whether what is open goes into the log now. */
  isDue(): boolean {
    return this.#gathering.isDue(this);
  }

  /** Whether one write more may have made it so. */
  mayBeDue(): boolean {
    return this.#gathering.mayBeDue(this);
  }

  addWrite(request: Request): void {
    this.#gathering.asked(request.client);
    request.client.openWrites++;
    this.#openWriteCount++;
    const bytes = bytesOf(request);
    this.#openBytes += bytes;
    this.#bytes += bytes;
    this.#open.push(request);
  }

  addRider(request: Request): void {
    this.#open.push(request);
  }

  /** Takes what is open when no write is among it: reads that have nothing to ride on. */
  takeRidersOnly(): Request[] {
    return this.#openWriteCount === 0 ? this.takeOpen() : [];
  }

  /** Takes what is open, unproposed, and came at or before then. */
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

  /** Takes all that is open, unproposed. */
  takeOpen(): Request[] {
    const open = this.#open;
    this.#open = [];
    this.#openWriteCount = 0;
    this.#openBytes = 0;
    for (const request of open) if (request.isWrite) this.#bytes -= bytesOf(request);
    return open;
  }

  /**
   * Takes a batch for the log from the front of what is open, with a write at least: all of it, or
   * what makes an entry of a good size. The next call must be `proposed`.
   */
  sealOpen(timeMs: number): OpenBatch {
    const commands: (readonly string[])[] = [];
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
    assert(commands.length > 0, "only riders were sealed");
    const requests = count === this.#open.length ? this.#open : this.#open.slice(0, count);
    this.#open = count === this.#open.length ? [] : this.#open.slice(count);
    this.#openWriteCount -= commands.length;
    this.#openBytes -= bytes;
    return { batch: new Batch(timeMs, commands), requests, bytes };
  }

  proposed(index: number, term: number, { requests, bytes }: OpenBatch, nowMs: number): void {
    const sequence = ++this.#lastSequence;
    const oldestMs = requests[0]?.sinceMs ?? nowMs;
    this.#proposed.push({ sequence, index, term, requests, bytes, sinceMs: nowMs, oldestMs });
  }

  /** The index of the last proposal of this term that is still undecided; 0 when there is none. */
  lastIndexIn(term: number): number {
    const last = this.#proposed.at(-1);
    return last?.term === term ? last.index : 0;
  }

  /**
   * The proposal that this committed entry is, if any; without requests where nobody waits any more.
   *
   * Terms never go down along a log, so an entry of a newer term also shows that the older proposals
   * at or after its place are lost: they are answered here as not executed.
   */
  decidedBy(entry: LogEntry): Proposal | null {
    for (;;) {
      const proposal = this.#proposed[this.#head];
      if (proposal === undefined) return null;
      const isOlder = proposal.index >= entry.index && proposal.term < entry.term;
      // A newer one is lost as well where an entry that was there before it has won its place.
      if (isOlder || (proposal.index === entry.index && proposal.term !== entry.term)) {
        this.#dropHead();
        for (const request of proposal.requests) request.settle(LEADER_CHANGED);
      } else if (proposal.index === entry.index) {
        this.#dropHead();
        // Who was given up on is not waited for, but reads still have their place before the entry.
        if (proposal.requests.length > 0) this.#gathering.answered(proposal.requests);
        return proposal;
      } else {
        assert(proposal.index > entry.index, `proposal ${proposal.index} was passed over`);
        return null;
      }
    }
  }

  /**
   * Answers those whose time is over: nobody can say what becomes of their writes. The proposals stay
   * under way, and count, until they are decided.
   *
   * @param sinceMs of the first request that a proposal has, at most
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
   * A snapshot has decided all proposals up to `index`, and does not say how.
   *
   * @returns the sequence of the last of them; 0 when there was none
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

/** Answers requests whose outcome this node will not know. */
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
