import { messageOf } from "../../src/base/errors.ts";
import { type Random, seededRandom } from "../../src/base/random.ts";
import type { FuzzTarget } from "./fuzz_target.ts";
import { mutate, randomBytes } from "./mutate.ts";

/** Maximum duration of one case on a busy machine. */
const CASE_MS_MAX = 3_000;

/** A failed case, with everything needed to run it again. */
export class FuzzFailure extends Error {
  override name = "FuzzFailure";

  constructor(readonly target: string, readonly input: string, cause: unknown) {
    const stack = cause instanceof Error ? cause.stack : String(cause);
    super(`${target}: ${stack ?? messageOf(cause)}\nInput: ${escaped(input)}`, { cause });
  }
}

/**
 * The input of a seed: usually a mutated valid one, sometimes a valid one, sometimes only noise.
 */
export function inputOf(target: FuzzTarget, seed: number): string {
  const random: Random = seededRandom(seed);
  const kind = random();
  if (kind < 0.03) return randomBytes(random, 200);
  const sample = target.sample(random);
  if (kind < 0.15) return sample;
  return mutate(sample, { random, words: target.words, another: () => target.sample(random) });
}

/**
 * Runs one input. Runs it a second time if it took long, since the machine may have stalled.
 *
 * @throws {FuzzFailure}
 */
export function runInput(target: FuzzTarget, input: string): void {
  const tookMs = timed(target, input);
  if (tookMs <= CASE_MS_MAX || timed(target, input) <= CASE_MS_MAX) return;
  throw new FuzzFailure(target.name, input, new Error(`it took ${Math.round(tookMs)} ms`));
}

function timed(target: FuzzTarget, input: string): number {
  const startMs = performance.now();
  try {
    target.run(input);
  } catch (error) {
    throw new FuzzFailure(target.name, input, error);
  }
  return performance.now() - startMs;
}

/** Bytes as a string literal for the corpus. */
export function escaped(input: string): string {
  const text = input.replace(/[^ !#-[\]-~]/g, (char) => {
    if (char === "\r") return "\\r";
    if (char === "\n") return "\\n";
    if (char === '"' || char === "\\") return `\\${char}`;
    return `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return `"${text}"`;
}
