import type { Clock } from "../platform/clock.ts";
import type { PullStatus } from "./pulls.ts";
import type { ScrubStatus } from "./scrubber.ts";
import { within } from "./waits.ts";

/** Time in milliseconds for which an answer is waited for. */
const ANSWER_MS_MAX = 1_000;

/** What a node does to repair and to check its copies. Only the node itself knows it. */
export interface NodeProgress {
  /** Its id. */
  readonly node: string;
  readonly pulls: PullStatus;
  readonly scrub: ScrubStatus;
}

/** What a node has answered about itself; `null` if it makes no sense. Unknown fields are ignored. */
export function progressIn(node: string, answer: unknown): NodeProgress | null {
  const { pulls, scrub } = fieldsOf(answer);
  const pulled = fieldsOf(pulls);
  const scrubbed = fieldsOf(scrub);
  if (!Array.isArray(pulled.blobs)) return null;
  const blobs = pulled.blobs.map(fieldsOf).map(({ blob, size, bytes }) => ({
    blob: String(blob),
    size: Number(size),
    bytes: Number(bytes),
  }));
  const progress: NodeProgress = {
    node,
    pulls: {
      blobs,
      left: Number(pulled.left),
      bytesLeft: Number(pulled.bytesLeft),
      bytesPerSecond: Number(pulled.bytesPerSecond),
      bytesPerSecondMax: Number(pulled.bytesPerSecondMax),
      blobsDone: Number(pulled.blobsDone),
      bytesDone: Number(pulled.bytesDone),
      failures: Number(pulled.failures),
    },
    scrub: {
      done: Number(scrubbed.done),
      total: Number(scrubbed.total),
      rounds: Number(scrubbed.rounds),
      bytes: Number(scrubbed.bytes),
      bytesPerSecond: Number(scrubbed.bytesPerSecond),
      bytesPerSecondMax: Number(scrubbed.bytesPerSecondMax),
      corrupt: Number(scrubbed.corrupt),
    },
  };
  const { blobs: _, ...counts } = progress.pulls;
  const numbers = [
    ...Object.values(counts),
    ...Object.values(progress.scrub),
    ...blobs.flatMap(({ size, bytes }) => [size, bytes]),
  ];
  return numbers.every((number) => Number.isSafeInteger(number) && number >= 0) ? progress : null;
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
}

/** Asks nodes for their progress, each with one question at a time. */
export class ProgressQuestions {
  readonly #ask: (address: string) => Promise<unknown>;
  readonly #clock: Clock;
  /** The open questions by node: one that is silent is not asked again. */
  readonly #open = new Map<string, Promise<unknown>>();

  constructor(ask: (address: string) => Promise<unknown>, clock: Clock) {
    this.#ask = ask;
    this.#clock = clock;
  }

  /** What the node says within a second; `null` if that is nothing. */
  async ask(node: string, address: string): Promise<NodeProgress | null> {
    let answer = this.#open.get(node);
    if (answer === undefined) {
      answer = this.#ask(address).catch(() => null).finally(() => this.#open.delete(node));
      this.#open.set(node, answer);
    }
    try {
      return progressIn(node, await within(this.#clock, ANSWER_MS_MAX, answer, "An answer"));
    } catch {
      return null; // it is too late
    }
  }
}
