import { messageOf, UserError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { FileError } from "../files/file_error.ts";
import type { Clock } from "../platform/clock.ts";
import { type Api, problem } from "./api.ts";
import { Problem, problemOfFile } from "./problem.ts";

/** Interval in milliseconds at which the cluster is asked while somebody watches it. */
const LOOK_MS = 250;
/** Number of looks for each look at the files, which costs the cluster more. */
const LOOKS_PER_FILES = 4;
/** Time in milliseconds without an event after which a comment keeps the connection alive. */
const SILENT_MS_MAX = 15_000;
/** Maximum number of watching clients. */
const WATCHERS_MAX = 64;

export interface EventsOptions {
  /** What `regent status` shows. Rejects with a `UserError` if nobody answers. */
  readonly cluster: () => Promise<object>;
  /** What is known of files and their repair. Its errors are told as those of `cluster`. */
  readonly fileState?: () => Promise<object>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Maximum number of watching clients. @default 64 */
  readonly watchersMax?: number;
}

/** Adds the operation that tells of changes in the cluster as they happen. */
export function addEvents(api: Api, options: EventsOptions): void {
  const watch = new ClusterWatch(options);
  api.add(
    "get",
    "/events",
    EVENTS,
    () => new Response(watch.open(), { headers: { "content-type": "text/event-stream" } }),
  );
}

interface Watcher {
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  /** By their names: the events that it has got last. */
  readonly got: Map<string, string>;
  sentMs: number;
}

/** Looks at the cluster while somebody watches it, and sends each watcher what is new to it. */
class ClusterWatch {
  readonly #options: EventsOptions;
  readonly #watchers = new Set<Watcher>();
  /** Whether a look is under way or planned. There is one sequence of looks, whoever comes and goes. */
  #isLooking = false;
  #looks = 0;

  constructor(options: EventsOptions) {
    this.#options = options;
  }

  /** @throws {Problem} when too many watch already */
  open(): ReadableStream<Uint8Array> {
    const { watchersMax = WATCHERS_MAX, clock } = this.#options;
    if (this.#watchers.size >= watchersMax) {
      throw new Problem("busy", `${watchersMax} clients watch already, which is the limit.`);
    }
    let watcher: Watcher | null = null;
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        watcher = { controller, got: new Map(), sentMs: clock.monotonicMs() };
        this.#watchers.add(watcher);
        if (this.#isLooking) return;
        this.#isLooking = true;
        void this.#look();
      },
      cancel: () => {
        if (watcher !== null) this.#watchers.delete(watcher);
      },
    });
  }

  async #look(): Promise<void> {
    if (this.#watchers.size === 0) {
      this.#isLooking = false;
      return;
    }
    const { clock } = this.#options;
    const { cluster, fileState } = this.#options;
    const events = [await this.#event("cluster", cluster)];
    if (fileState !== undefined && this.#looks++ % LOOKS_PER_FILES === 0) {
      events.push(await this.#event("files", fileState));
    }
    for (const watcher of this.#watchers) this.#send(watcher, events, clock.monotonicMs());
    clock.after(LOOK_MS, () => void this.#look());
  }

  /** What there is to tell. It does not reject. */
  async #event(name: string, look: () => Promise<object>): Promise<Event> {
    try {
      return { name, text: `event: ${name}\ndata: ${JSON.stringify(await look())}\n\n` };
    } catch (error) {
      let problem = new Problem("internal-error", "This look failed; the log says why.");
      if (error instanceof UserError) problem = new Problem("unavailable", error.message);
      else if (error instanceof FileError) problem = problemOfFile(error);
      else this.#options.logger.error(`HTTP watchCluster: ${messageOf(error)}`);
      return { name, text: `event: problem\ndata: ${JSON.stringify(problem)}\n\n` };
    }
  }

  /** A watcher that does not read gets the newest events when it reads again. */
  #send(watcher: Watcher, events: readonly Event[], nowMs: number): void {
    const { controller, got } = watcher;
    if ((controller.desiredSize ?? 0) <= 0) return;
    const news = events.filter(({ name, text }) => got.get(name) !== text);
    if (news.length === 0 && nowMs - watcher.sentMs < SILENT_MS_MAX) return;
    const chunk = news.length === 0 ? ":\n\n" : news.map(({ text }) => text).join("");
    controller.enqueue(new TextEncoder().encode(chunk));
    for (const { name, text } of news) got.set(name, text);
    watcher.sentMs = nowMs;
  }
}

interface Event {
  readonly name: string;
  readonly text: string;
}

const EVENTS = {
  operationId: "watchCluster",
  summary: "Changes in the cluster as they happen, as server-sent events",
  responses: {
    "200": {
      description: "`cluster` events with what /cluster returns, the first at once and each " +
        "further one when something has changed; `files` events likewise, with the version of " +
        "the files, what there is to repair, and how far each node is with it; `problem` events while no member answers.",
      content: { "text/event-stream": {} },
    },
    "503": problem("Too many clients watch already."),
  },
};
