import { errorOf, messageOf, UserError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Cancel, Clock } from "./clock.ts";

/** Maximum time in milliseconds for which a service may stop by itself. */
const STOP_MS_MAX = 2_000;
/** Delay in milliseconds before the first restart. It doubles with each restart that fails. */
const RESTART_MS = 100;
const RESTART_MS_MAX = 30_000;
/** A thread that served for this long, in milliseconds, is restarted after the shortest delay. */
const SOUND_LIFE_MS = 60_000;

/** What the main thread sends. */
type Order<O> =
  | { readonly kind: "start"; readonly options: O }
  | { readonly kind: "news"; readonly news: unknown }
  | { readonly kind: "stop" };

/** What the thread sends. */
type Report<S> =
  | { readonly kind: "started"; readonly started: S }
  | { readonly kind: "failed"; readonly message: string; readonly isForUser: boolean }
  | { readonly kind: "stopped" };

/** A service that runs in a thread. */
export interface ThreadService<S> {
  /** What the main thread is told, as plain data. */
  readonly started: S;
  /** Takes over what the main thread says: plain data. */
  update?(news: unknown): void;
  stop(): void | Promise<void>;
}

/** The global scope of a worker. Types for it would replace those of the main thread everywhere. */
interface WorkerScope {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: unknown): void;
}

/**
 * Runs a service in this thread, which a `ServiceThread` has started. An error that nobody catches
 * is reported to it, and it ends the thread.
 *
 * @param start is called once, with the options that the main thread has sent. A `UserError` is
 *   one for the main thread too.
 */
export function serveInThread<O, S>(start: (options: O) => Promise<ThreadService<S>>): void {
  const scope = self as unknown as WorkerScope;
  const report = (one: Report<S>) => scope.postMessage(one);
  const fail = (error: unknown) =>
    report({ kind: "failed", message: messageOf(error), isForUser: error instanceof UserError });
  const failUnexpectedly = (event: Event, error: unknown) => {
    event.preventDefault();
    report({ kind: "failed", message: stackOf(error), isForUser: false });
  };
  addEventListener("error", (event) => failUnexpectedly(event, event.error ?? event.message));
  addEventListener("unhandledrejection", (event) => failUnexpectedly(event, event.reason));
  let service: Promise<ThreadService<S>> | null = null;
  scope.onmessage = ({ data }: MessageEvent<Order<O>>) => {
    if (data.kind === "start") {
      service = start(data.options);
      service.then(({ started }) => report({ kind: "started", started }), fail);
    } else if (data.kind === "news") {
      service?.then((running) => running.update?.(data.news), () => {}); // a failure is told above
    } else {
      Promise.resolve(service).then((running) => running?.stop())
        .then(() => report({ kind: "stopped" }), fail);
    }
  };
}

/** The message of a thrown value, and where it was thrown. */
function stackOf(error: unknown): string {
  return error instanceof Error && error.stack !== undefined ? error.stack : String(error);
}

export interface ServiceThreadOptions<O> {
  /** What it serves, for the log. */
  readonly name: string;
  /** The module that runs in the thread. It calls `serveInThread`. */
  readonly module: URL;
  /** Plain data for the service. */
  readonly options: O;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * A service in a thread of its own: whatever it does, this thread's event loop is not delayed. When
 * the thread ends by itself after it has served, it is started again. Only want of memory cannot be
 * survived: then V8 ends the process.
 */
export class ServiceThread<O, S> {
  readonly #options: ServiceThreadOptions<O>;
  #worker: Worker | null = null;
  #restartMs = RESTART_MS;
  #cancelRestart: Cancel = () => {};
  #stopped: () => void = () => {};
  #isClosed = false;
  /** What the service was last told; `undefined` before. */
  #news: unknown;

  private constructor(options: ServiceThreadOptions<O>) {
    this.#options = options;
  }

  /**
   * Starts the service.
   *
   * @throws {UserError} what the service throws, or why the thread cannot start
   */
  static async start<O, S>(
    options: ServiceThreadOptions<O>,
  ): Promise<{ readonly thread: ServiceThread<O, S>; readonly started: S }> {
    const thread = new ServiceThread<O, S>(options);
    try {
      return { thread, started: await thread.#launch() };
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new UserError(`Cannot start ${options.name}: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Has the service take over plain data, now and after each restart. Only the last one counts. */
  tell(news: unknown): void {
    this.#news = news;
    if (this.#worker !== null) post<O>(this.#worker, { kind: "news", news });
  }

  /** Stops the service, or ends its thread if it does not stop in time. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelRestart();
    const worker = this.#worker;
    if (worker === null) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(STOP_MS_MAX, resolve);
      this.#stopped = () => {
        cancel();
        resolve();
      };
      post<O>(worker, { kind: "stop" });
    });
    worker.terminate();
  }

  /** Rejects when the thread ends before it serves. */
  #launch(): Promise<S> {
    const { name, module, options, clock } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<S>();
    const worker = new Worker(module, { type: "module", name });
    this.#worker = worker;
    let servesSinceMs: number | null = null;
    const end = (error: Error) => {
      if (this.#worker !== worker) return;
      this.#worker = null;
      worker.terminate();
      this.#stopped();
      if (servesSinceMs === null) return reject(error);
      if (clock.monotonicMs() - servesSinceMs > SOUND_LIFE_MS) this.#restartMs = RESTART_MS;
      this.#restartLater(error);
    };
    worker.onmessage = ({ data }: MessageEvent<Report<S>>) => {
      if (data.kind === "stopped") this.#stopped();
      else if (data.kind === "failed") {
        end(data.isForUser ? new UserError(data.message) : new Error(data.message));
      } else {
        servesSinceMs = clock.monotonicMs();
        resolve(data.started);
      }
    };
    worker.onerror = (event) => {
      event.preventDefault(); // or else this thread ends too
      end(new Error(event.message.split("\n")[0]));
    };
    post(worker, { kind: "start", options });
    if (this.#news !== undefined) post<O>(worker, { kind: "news", news: this.#news });
    return promise;
  }

  #restartLater(error: Error): void {
    if (this.#isClosed) return;
    const { name, clock, logger } = this.#options;
    const delayMs = this.#restartMs;
    this.#restartMs = Math.min(2 * delayMs, RESTART_MS_MAX);
    logger.error(`${name} has failed and starts again in ${delayMs} ms: ${error.message}`);
    this.#cancelRestart = clock.after(delayMs, () => {
      this.#launch().catch((error) => this.#restartLater(errorOf(error)));
    });
  }
}

function post<O>(worker: Worker, order: Order<O>): void {
  worker.postMessage(order);
}
