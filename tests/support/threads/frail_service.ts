import { UserError } from "../../../src/base/errors.ts";
import { serveInThread } from "../../../src/platform/service_thread.ts";

/** How a service in a thread fails. */
export type Frailty =
  | "never"
  /** After each start but the third, by an error that nobody catches. */
  | "throws"
  /** After each start but the third, by a promise that nobody awaits. */
  | "rejects"
  /** After the first start; the second one fails, too. */
  | "starts-badly"
  | "start-refused"
  | "does-not-stop";

export interface FrailServiceOptions {
  readonly frailty: Frailty;
  /** The number of starts and of stops. */
  readonly counts: SharedArrayBuffer;
  /** What the service was told last: a number; 0 after each start. */
  readonly told: SharedArrayBuffer;
}

serveInThread(({ frailty, counts, told }: FrailServiceOptions) => {
  const count = new Int32Array(counts);
  Atomics.store(new Int32Array(told), 0, 0);
  const starts = Atomics.add(count, 0, 1) + 1;
  if (frailty === "start-refused") return Promise.reject(new UserError("Cannot start: no."));
  if (frailty === "starts-badly" && starts === 2) return Promise.reject(new Error("not yet"));
  const isFailing = starts === 1 || starts === 2;
  const fails = isFailing && ["throws", "starts-badly", "rejects"].includes(frailty);
  if (fails) {
    setTimeout(() => {
      if (frailty === "rejects") Promise.reject(new Error("rejected"));
      else throw new Error("thrown");
    }, 1);
  }
  return Promise.resolve({
    started: `start ${starts}`,
    update: (news) => void Atomics.store(new Int32Array(told), 0, Number(news)),
    stop() {
      Atomics.add(count, 1, 1);
      return frailty === "does-not-stop" ? new Promise<void>(() => {}) : undefined;
    },
  });
});
