import { targetNamed } from "./all_targets.ts";
import { escaped, inputOf } from "./fuzz_case.ts";
import type { FuzzOrder, FuzzOutcome } from "./fuzz_worker.ts";

/** Time in milliseconds after which a worker without progress counts as hanging. */
const HANG_MS = 20_000;
const LOAD_MS = 120_000;

/** How much of a target to run. */
export interface FuzzPart {
  readonly target: string;
  /** The seed of the first case. Each further case has the next seed. */
  readonly seed: number;
  /** @default Infinity */
  readonly cases?: number;
  /** @default Infinity */
  readonly seconds?: number;
}

/** The result of a part. */
export interface FuzzResult {
  readonly target: string;
  readonly cases: number;
  readonly tookMs: number;
  /** Seed, bytes and error of the first failed case. */
  readonly failure: string | null;
}

/** Runs cases in a worker thread, to detect those that never end. */
export class FuzzRun {
  readonly #worker = new Worker(new URL("./fuzz_worker.ts", import.meta.url), { type: "module" });

  /** Runs cases of one target, one after the other, up to the first failure. */
  async target({ target, seed, cases, seconds }: FuzzPart): Promise<FuzzResult> {
    const { failure, ...outcome } = await this.#carryOut({
      target,
      firstSeed: seed,
      casesMax: cases ?? Infinity,
      secondsMax: seconds ?? Infinity,
      progress: new Int32Array(new SharedArrayBuffer(4)),
    });
    return { target, ...outcome, failure: failure && `seed ${failure.seed}: ${failure.message}` };
  }

  stop(): void {
    this.#worker.terminate();
  }

  #carryOut(order: FuzzOrder): Promise<FuzzOutcome> {
    const { promise, resolve, reject } = Promise.withResolvers<FuzzOutcome>();
    const seen = { cases: 0, sinceMs: Date.now() };
    const watch = setInterval(() => {
      const cases = Atomics.load(order.progress, 0);
      if (cases !== seen.cases) Object.assign(seen, { cases, sinceMs: Date.now() });
      const tookMs = Date.now() - seen.sinceMs;
      // Before its first case the worker loads the program, which takes long on a busy machine.
      if (tookMs < (cases === 0 ? LOAD_MS : HANG_MS)) return;
      const seed = order.firstSeed + cases;
      const input = escaped(inputOf(targetNamed(order.target), seed));
      const message = `Target ${order.target} never ends on ${input}`;
      resolve({ cases, tookMs, failure: { seed, message } });
    }, 500);
    this.#worker.onmessage = ({ data }: MessageEvent<FuzzOutcome>) => resolve(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(`Cannot run the worker: ${event.message}`));
    };
    this.#worker.postMessage(order);
    return promise.finally(() => clearInterval(watch));
  }
}
