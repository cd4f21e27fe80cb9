import { latin1Bytes } from "../../src/base/bytes.ts";
import { decodeReply, ReplyScanner } from "../../src/resp/reply_scanner.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SimProcess } from "./sim_process.ts";

const BYTES_MAX = 1 << 28;

export interface AnswerWatchOptions {
  /** The answering process, for messages. */
  readonly who: string;
  /** The answering process. While it is suspended, nothing is owed. */
  readonly process: SimProcess;
  readonly scheduler: Scheduler;
  /** How long after its arrival a request may be answered, according to the flags. */
  readonly withinMs: number;
  /**
   * Whether the time starts when all earlier requests are answered, as each of them may take as
   * long.
   */
  readonly isByTurn?: boolean;
  readonly fail: (what: string) => never;
}

/** A request that is not answered yet. */
interface Owed {
  readonly text: string;
  /** How long the process had run when the request arrived. */
  readonly sinceMs: number;
  readonly arrivedMs: number;
}

/**
 * Requires that each request is answered in time, as long as its connection lives. It knows the
 * flags and the bytes that pass the socket, and nothing else of the product: a process that refuses
 * requests, has no leader, is no longer a member or has a hanging disk owes an answer as well. It
 * does not judge the network, for time counts at the answering socket.
 */
export class AnswerWatch {
  readonly #options: AnswerWatchOptions;

  constructor(options: AnswerWatchOptions) {
    this.#options = options;
  }

  /** A client has connected. */
  connected(remote: string): ConnectionWatch {
    return new ConnectionWatch(this.#options, remote);
  }
}

/** Watches what passes on one client's connection. */
export class ConnectionWatch {
  readonly #options: AnswerWatchOptions;
  readonly #remote: string;
  /** Requests are scanned as replies: arrays of strings. */
  readonly #requests = new ReplyScanner({ replyBytesMax: BYTES_MAX });
  readonly #replies = new ReplyScanner({ replyBytesMax: BYTES_MAX });
  /** Oldest first, the order of the answers. */
  readonly #owed: Owed[] = [];
  #isEnded = false;
  #isTimerSet = false;

  constructor(options: AnswerWatchOptions, remote: string) {
    this.#options = options;
    this.#remote = remote;
  }

  /** These bytes have arrived at the process. */
  received(bytes: Uint8Array): void {
    if (this.#isEnded) return;
    const { process, scheduler } = this.#options;
    this.#requests.push(bytes);
    for (let next = this.#requests.next(); next.kind === "complete"; next = this.#requests.next()) {
      const text = describe(next.text);
      // Reports follow at any later time.
      if (text.startsWith("CLUSTER WATCH")) return this.ended();
      this.#owed.push({ text, sinceMs: process.ranMs, arrivedMs: scheduler.nowMs });
    }
    this.#setTimer();
  }

  /** The process has handed this over to its kernel. */
  sent(text: string): void {
    if (this.#isEnded) return;
    this.#replies.push(latin1Bytes(text));
    while (this.#replies.next().kind === "complete") {
      this.#judge("is answered");
      this.#owed.shift();
      const [next] = this.#owed;
      const { isByTurn = false, process } = this.#options;
      if (isByTurn && next !== undefined) this.#owed[0] = { ...next, sinceMs: process.ranMs };
    }
  }

  /** The connection is closed, or about to be: nothing is owed any more. */
  ended(): void {
    this.#isEnded = true;
  }

  #judge(how: string): void {
    const first = this.#owed[0];
    if (first === undefined) return;
    const { who, withinMs, process, scheduler, fail } = this.#options;
    const tookMs = process.ranMs - first.sinceMs;
    if (tookMs <= withinMs) return;
    fail(
      `${first.text} of ${this.#remote}, which came to ${who} at ` +
        `${Math.round(first.arrivedMs)}, ${how} at ${Math.round(scheduler.nowMs)}, after ` +
        `${Math.round(tookMs)} ms of ${who}'s time, not within ${Math.round(withinMs)}`,
    );
  }

  /** Sets a timer for an answer that never comes. */
  #setTimer(): void {
    const first = this.#owed[0];
    if (this.#isTimerSet || first === undefined) return;
    const { scheduler, process, withinMs } = this.#options;
    this.#isTimerSet = true;
    const leftMs = first.sinceMs + withinMs - process.ranMs;
    scheduler.after(Math.max(leftMs, 0) + 1, () => {
      this.#isTimerSet = false;
      if (this.#isEnded || !process.isAlive) return;
      if (!process.isPaused) this.#judge("is not answered");
      this.#setTimer();
    });
  }
}

function describe(request: string): string {
  const args = decodeReply(request);
  const text = Array.isArray(args) ? args.join(" ") : request;
  return text.length <= 80 ? text : `${text.slice(0, 80)}…`;
}
