import { until } from "../../tests/support/until.ts";

/** Where the output of a script goes. @default stdout is piped, stderr is inherited */
export type ScriptOptions = Pick<Deno.CommandOptions, "stdout" | "stderr">;

/**
 * Runs a script of this folder in a separate process. The script must call `endWithStdin`, so that
 * it does not outlive this process.
 */
export function spawnScript(
  script: string,
  args: readonly string[],
  options: ScriptOptions = {},
): Deno.ChildProcess {
  const path = new URL(script, import.meta.url).pathname;
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--allow-all", path, ...args],
    stdin: "piped",
    stdout: "piped",
    ...options,
  }).spawn();
}

/** Ends this process when its standard input ends, which is at the latest when its parent ends. */
export async function endWithStdin(): Promise<never> {
  for await (const _ of Deno.stdin.readable);
  Deno.exit(0);
}

export async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

const SETTLED_MS = 5_000;
const SETTLED_SHARE = 0.01;
const TIMEOUT_MS = 90_000;

/** The current memory of a process, from `/proc/PID/status`. */
export function residentBytes(pid: number): number {
  const [, kib] = /^VmRSS:\s*(\d+) kB/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`)) ?? [];
  return Number(kib) * 1024;
}

/** The memory of each process, once none has changed by more than 1 % for five seconds. */
export async function settledBytes(pids: readonly number[]): Promise<number[]> {
  let reference = pids.map(residentBytes);
  let sinceMs = performance.now();
  await until("the memory of the processes settles", () => {
    const now = pids.map(residentBytes);
    const hasChanged = now.some((bytes, at) => {
      const before = reference[at] ?? 0;
      return Math.abs(bytes - before) > SETTLED_SHARE * before;
    });
    if (hasChanged) {
      reference = now;
      sinceMs = performance.now();
    }
    return performance.now() - sinceMs >= SETTLED_MS;
  }, { timeoutMs: TIMEOUT_MS });
  return pids.map(residentBytes);
}

/** Linux counts processor time in this unit (`USER_HZ`). */
const TICK_US = 10_000;

/** Processor time in microseconds: in the code of the process, and in the kernel. */
export interface ProcessorTime {
  readonly userUs: number;
  readonly systemUs: number;
}

/** The mean processor time of the processes of each name while something runs. */
export async function processorTimeDuring<K extends string>(
  pids: Readonly<Record<K, readonly number[]>>,
  work: () => Promise<void>,
): Promise<Record<K, ProcessorTime>> {
  const names = Object.keys(pids) as K[];
  const before = names.map((name) => pids[name].map(processorTime));
  await work();
  const used = names.map((name, at) => {
    const processes = pids[name].map((pid, process) =>
      difference(processorTime(pid), before[at]?.[process])
    );
    return [name, mean(processes)];
  });
  return Object.fromEntries(used);
}

/** The processor time of all threads of a process since it began, from `/proc/PID/stat`. */
function processorTime(pid: number): ProcessorTime {
  const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // The name of the program comes first, in parentheses, and may contain any character.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { userUs: Number(fields[11]) * TICK_US, systemUs: Number(fields[12]) * TICK_US };
}

function difference(after: ProcessorTime, before: ProcessorTime | undefined): ProcessorTime {
  return {
    userUs: after.userUs - (before?.userUs ?? 0),
    systemUs: after.systemUs - (before?.systemUs ?? 0),
  };
}

function mean(times: readonly ProcessorTime[]): ProcessorTime {
  const sum = (part: (time: ProcessorTime) => number) =>
    times.reduce((total, time) => total + part(time), 0) / times.length;
  return { userUs: sum(({ userUs }) => userUs), systemUs: sum(({ systemUs }) => systemUs) };
}
