/**
 * Runs cases of one target in a worker thread, so that the thread that waits for it detects a case
 * that never ends.
 */
/// <reference lib="deno.worker" />
import { targetNamed } from "./all_targets.ts";
import { FuzzFailure, inputOf, runInput } from "./fuzz_case.ts";

/** A message to the worker. */
export interface FuzzOrder {
  readonly target: string;
  readonly firstSeed: number;
  readonly casesMax: number;
  readonly secondsMax: number;
  /** Counts the cases done. */
  readonly progress: Int32Array;
}

/** The worker's answer at the end. */
export interface FuzzOutcome {
  readonly cases: number;
  readonly tookMs: number;
  /** The first failed case. */
  readonly failure: { readonly seed: number; readonly message: string } | null;
}

function carryOut(
  { target: name, firstSeed, casesMax, secondsMax, progress }: FuzzOrder,
): FuzzOutcome {
  const startMs = Date.now();
  const endMs = startMs + 1000 * secondsMax;
  const outcome = (failure: FuzzOutcome["failure"]) => ({
    cases,
    tookMs: Date.now() - startMs,
    failure,
  });
  const target = targetNamed(name);
  let cases = 0;
  for (; cases < casesMax && Date.now() < endMs; cases++) {
    const seed = firstSeed + cases;
    try {
      runInput(target, inputOf(target, seed));
    } catch (error) {
      const message = error instanceof FuzzFailure ? error.message : String(error);
      return outcome({ seed, message });
    }
    Atomics.store(progress, 0, cases + 1);
  }
  return outcome(null);
}

self.onmessage = ({ data }: MessageEvent<FuzzOrder>) => self.postMessage(carryOut(data));
