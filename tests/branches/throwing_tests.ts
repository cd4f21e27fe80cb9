/**
 * Runs test files whose sources are instrumented in one process: each test by itself first, to see
 * which blocks it executes; then, for one block after the other, the tests that execute it with a
 * `throw` in the block. Prints a line of JSON for each block. A run that hangs ends the process.
 *
 * deno run tests/branches/throwing_tests.ts RECORD FIRST_BLOCK BLOCK_COUNT TEST_FILE...
 */

/** What instrumented code calls at the start of each block, with the block's number. */
export const BLOCK_FUNCTION = "regentBlock";

/** What is printed of a block. */
export interface BlockVerdict {
  readonly block: number;
  readonly isExecuted: boolean;
  readonly isNoticed: boolean;
}

type Run = (context: unknown) => unknown;

interface Test {
  readonly name: string;
  readonly run: Run;
}

/** What a test does without any `throw`. */
interface Recorded {
  readonly blocks: readonly number[];
  readonly ms: number;
}

const HUNG_MS_MIN = 3_000;
const HUNG_FACTOR = 20;
export const HUNG_EXIT_CODE = 3;
/** Tests fail without a throw, or after one that is no more. */
export const UNSOUND_EXIT_CODE = 4;

const HUNG = Symbol("hung");

const tests: Test[] = [];
const executed = new Set<number>();
let throwing = -1;
let onStrayError = (_error: unknown): void => {};

function takeOver(): void {
  Object.assign(globalThis, {
    [BLOCK_FUNCTION](block: number): void {
      executed.add(block);
      if (block === throwing) throw new Error(`block ${block} is executed`);
    },
  });
  for (const type of ["error", "unhandledrejection"]) {
    globalThis.addEventListener(type, (event) => {
      event.preventDefault();
      onStrayError(event instanceof ErrorEvent ? event.error : event);
    });
  }
  (Deno as { test: unknown }).test = (...parts: unknown[]) => {
    const options = Object.assign({}, ...parts.filter((part) => typeof part === "object"));
    const name = parts.find((part) => typeof part === "string") ?? options.name;
    const run = parts.find((part) => typeof part === "function") ?? options.fn;
    if (options.ignore !== true) tests.push({ name, run: run as Run });
  };
}

/** @returns what failed; `null` when the test passes */
async function failureOf({ run }: Test, msMax: number): Promise<unknown> {
  const { promise: strayError, resolve } = Promise.withResolvers<unknown>();
  onStrayError = (error) => resolve(error ?? "an error outside of the test");
  const context = {
    step: async (name: string | { fn: Run }, fn?: Run) => {
      await (typeof name === "object" ? name.fn : fn)?.(context);
      return true;
    },
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<typeof HUNG>((resolve) => {
    timer = setTimeout(() => resolve(HUNG), msMax);
  });
  const end = (async () => {
    await run(context);
    await new Promise((resolve) => setTimeout(resolve)); // errors outside come before
    return null;
  })();
  const failure = await Promise.race([
    end.catch((error: unknown) => error ?? "it has thrown nothing"),
    strayError,
    timeout,
  ]);
  clearTimeout(timer);
  return failure;
}

async function record(): Promise<Recorded[]> {
  const recorded: Recorded[] = [];
  for (const test of tests) {
    executed.clear();
    const sinceMs = performance.now();
    const failure = await failureOf(test, 600_000);
    if (failure !== null) {
      console.error(`"${test.name}" fails without a throw:`, failure);
      Deno.exit(UNSOUND_EXIT_CODE);
    }
    recorded.push({ blocks: [...executed], ms: performance.now() - sinceMs });
  }
  return recorded;
}

async function judge(block: number, recorded: readonly Recorded[]): Promise<void> {
  const witnesses = tests.map((test, i) => ({ test, recorded: recorded[i] as Recorded }))
    .filter(({ recorded }) => recorded.blocks.includes(block))
    .sort((a, b) => a.recorded.ms - b.recorded.ms);
  let failure: unknown = null;
  for (const { test, recorded } of witnesses) {
    throwing = block;
    failure = await failureOf(test, Math.max(HUNG_MS_MIN, HUNG_FACTOR * recorded.ms));
    throwing = -1;
    if (failure !== null) break;
  }
  const isExecuted = witnesses.length > 0;
  const verdict: BlockVerdict = { block, isExecuted, isNoticed: failure !== null };
  console.log(JSON.stringify(verdict));
  if (failure === HUNG) Deno.exit(HUNG_EXIT_CODE);
}

if (import.meta.main) {
  const [recordPath = "", first, count, ...paths] = Deno.args;
  takeOver();
  for (const path of paths) await import(`file://${Deno.cwd()}/${path}`);
  console.log = console.info = console.debug = ((print) => (text) => {
    if (String(text).startsWith('{"block"')) print(text);
  })(console.log);
  let recorded: Recorded[];
  try {
    recorded = JSON.parse(Deno.readTextFileSync(recordPath));
  } catch {
    recorded = await record();
    Deno.writeTextFileSync(recordPath, JSON.stringify(recorded));
  }
  for (let block = Number(first); block < Number(count); block++) await judge(block, recorded);
  await record(); // A test that a throw has spoiled for good would notice everything.
  Deno.exit(0);
}
