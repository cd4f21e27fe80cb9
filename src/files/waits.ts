import type { Clock } from "../platform/clock.ts";
import { FileError } from "./file_error.ts";

/** Resolves after about `delayMs` milliseconds, or as soon as the signal is aborted. */
export function wait(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const end = () => {
      cancel();
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const cancel = clock.after(delayMs, end);
    signal?.addEventListener("abort", end);
  });
}

/**
 * The promise's result, if it is there before the signal is aborted.
 *
 * @throws {FileError} `aborted`; what the promise does later is ignored
 */
export function unlessAborted<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const stop = () => reject(aborted());
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

/**
 * The promise's result, if it takes no longer than `limitMs` milliseconds.
 *
 * @throws {FileError} `unavailable`; what the promise does later is ignored
 */
export function within<T>(
  clock: Clock,
  limitMs: number,
  promise: Promise<T>,
  what: string,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(
      limitMs,
      () => reject(new FileError("unavailable", `${what} took longer than ${limitMs} ms.`)),
    );
    promise.then(resolve, reject).finally(cancel);
  });
}

export function aborted(): FileError {
  return new FileError("aborted", "The operation was given up.");
}

/** @throws {FileError} `aborted` if the signal is */
export function checkSignal(signal?: AbortSignal): void {
  if (signal?.aborted) throw aborted();
}
