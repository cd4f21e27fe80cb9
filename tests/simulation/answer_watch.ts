import { latin1Bytes } from "../../src/base/bytes.ts";
import { decodeReply, ReplyScanner } from "../../src/resp/reply_scanner.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SimProcess } from "./sim_process.ts";

const BYTES_MAX = 1 << 28;

export interface AnswerWatchOptions {
  /** Who answers, for people. */
  readonly who: string;
  /** What answers: while it stands still, nothing is owed. */
  readonly process: SimProcess;
  readonly scheduler: Scheduler;
  /** By the flags: how long an answer may take from when the request has arrived. */
  readonly withinMs: number;
  /** Time counts from when all that came before is answered, as each of these may take as long. */
  readonly isByTurn?: boolean;
  readonly fail: (what: string) => never;
}

/** What a client asked for and is not answered yet. */
interface Owed {
  readonly text: string;
  /** By how long the process had run. */
  readonly sinceMs: number;
  readonly arrivedMs: number;
}

/**
 * Demands that each request is answered in time, as long as its connection lives. It knows the flags
 * and the bytes that pass the socket, and asks the product for nothing: whoever refuses, has no
 * leader, is no member any more or has a disk that hangs owes an answer as well. What the network
 * does is not judged here, for time counts at the socket of who answers.
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

/** What passes on one client's connection. */
export class ConnectionWatch {
  readonly #options: AnswerWatchOptions;
  readonly #remote: string;
  /** A request has the form of a reply: an array of strings. */
  readonly #requests = new ReplyScanner({ replyBytesMax: BYTES_MAX });
  readonly #replies = new ReplyScanner({ replyBytesMax: BYTES_MAX });
  /** Oldest first, as they are to be answered. */
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
      // Reports follow, whenever there is something to report.
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

  /** For the answer that never comes. */
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
