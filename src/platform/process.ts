import { Buffer } from "node:buffer";
import { machine, setPriority, totalmem } from "node:os";
import { getHeapStatistics } from "node:v8";
import type { Logger } from "../base/logger.ts";

/** Facts about the process for INFO and other reports. */
export interface ProcessFacts {
  readonly processId: number;
  /** In milliseconds since the Unix epoch. */
  readonly startedMs: number;
  /** 40 hexadecimal digits, different for each process. */
  readonly runId: string;
  /** For example `Linux 6.1.0 x86_64`. */
  readonly os: string;
  readonly executable: string;
  /** Memory of the machine; 0 when unknown. */
  readonly systemMemoryBytes: number;
  /** Maximum size of V8's heap; 0 when unknown. */
  readonly heapLimitBytes: number;
  memoryBytes(): MemoryBytes;
}

/** Memory of the process, in bytes. */
export interface MemoryBytes {
  /** Resident set size: what the system has given to the process. */
  readonly rss: number;
  /** Size of V8's heap. */
  readonly heapTotal: number;
  /** The used part of V8's heap, garbage included. */
  readonly heapUsed: number;
  /** Buffers outside the heap: short keys and values, bytes read and bytes to send. */
  readonly external: number;
}

const RUN_ID_BYTES = 20;

/** This process as the operating system sees it. */
export function processFacts(): ProcessFacts {
  const { os, arch } = Deno.build;
  return {
    processId: Deno.pid,
    startedMs: Date.now(),
    runId: Buffer.from(crypto.getRandomValues(new Uint8Array(RUN_ID_BYTES))).toString("hex"),
    os: [os.charAt(0).toUpperCase() + os.slice(1), known(Deno.osRelease, ""), known(machine, arch)]
      .filter((part) => part !== "").join(" "),
    executable: known(() => Deno.execPath(), ""),
    systemMemoryBytes: known(totalmem, 0),
    heapLimitBytes: known(() => getHeapStatistics().heap_size_limit, 0),
    memoryBytes: () => Deno.memoryUsage(),
  };
}

/** As `nice` counts: the thread gets about a tenth of the time of one that competes with it. */
const BACKGROUND_NICENESS = 10;

/**
 * Has the system prefer all other threads to this one, and to those that it starts, where the
 * process may (`--allow-sys=setPriority`). Linux counts threads here where others count processes.
 */
export function runInBackground(): void {
  if (Deno.build.os === "linux") known(() => setPriority(0, BACKGROUND_NICENESS), undefined);
}

/** Returns `otherwise` where the process lacks the permission to look (`--allow-sys`). */
function known<T>(find: () => T, otherwise: T): T {
  try {
    return find();
  } catch {
    return otherwise;
  }
}

/**
 * Number of file descriptors reserved for log files, peers, snapshots and connections that are
 * being refused.
 */
const RESERVED = 16;
/** What is opened to see whether a file can be opened: the process needs permission to read it. */
export const PROBE_FILE = "/dev/null";
/** Number of descriptors that must be free, or else the process counts as out of them. */
const PROBED = 2;

/**
 * Maximum number of clients for which room is looked for. That takes 10 µs for each, during which
 * nothing else runs.
 */
const SOUGHT_CLIENTS_MAX = 20_000;

/**
 * Number of clients for which file descriptors are left; `Infinity` if there are enough, or if this
 * cannot be known. Call it before anything runs: it takes all free descriptors for a moment. Reading
 * the limit itself from `/proc` would need all of Deno's permissions.
 */
export function clientsThatFit(wanted: number): number {
  const sought = Math.min(wanted, SOUGHT_CLIENTS_MAX) + RESERVED;
  const free = freeDescriptors(sought);
  return free === null || free === sought ? Infinity : Math.max(0, free - RESERVED);
}

/** Whether the limit of open files is reached. */
export function hasNoFreeDescriptors(): boolean {
  const free = freeDescriptors(PROBED);
  return free !== null && free < PROBED;
}

/**
 * Opens files to see how many more can be open at once.
 *
 * @returns at most `max`; `null` where nothing can be opened for another reason, such as a lack of
 * permission to read `PROBE_FILE`
 */
function freeDescriptors(max: number): number | null {
  const files: Deno.FsFile[] = [];
  try {
    while (files.length < max) files.push(Deno.openSync(PROBE_FILE));
    return files.length;
  } catch (error) {
    return OUT_OF_DESCRIPTORS.has(codeOf(error)) ? files.length : null;
  } finally {
    for (const file of files) file.close();
  }
}

/** The process's own limit, and the system's. */
const OUT_OF_DESCRIPTORS: ReadonlySet<unknown> = new Set(["EMFILE", "ENFILE"]);

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : null;
}

/** Resolves with the name of the first signal that asks the process to end. */
export function endingSignal(): Promise<Deno.Signal> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      Deno.addSignalListener(signal, () => resolve(signal));
    }
  });
}

/** Calls this on each SIGHUP, where the system knows it. It would end the process otherwise. */
export function onHangup(run: () => void): void {
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGHUP", run);
}

const encoder = new TextEncoder();

/** Removes line breaks and control characters: messages may repeat what unknown clients sent. */
function printable(message: string): string {
  return message.replace(
    // deno-lint-ignore no-control-regex -- these are what is to be kept out
    /[\x00-\x1f\x7f-\x9f]/g,
    (char) => char === "\n" ? " " : `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/** A logger that writes one line `time level name: message` to standard error. */
export function stderrLogger(name: string): Logger {
  const write = (level: string, message: string) => {
    const line = `${new Date().toISOString()} ${level} ${name}: ${printable(message)}\n`;
    try {
      Deno.stderr.writeSync(encoder.encode(line));
    } catch {
      // Whoever read our log is gone. That must not end the service.
    }
  };
  return {
    info: (message) => write("info", message),
    warn: (message) => write("warn", message),
    error: (message) => write("error", message),
  };
}

/** Resolves when standard input ends, that is when the parent process is gone. */
async function endOfStandardInput(): Promise<void> {
  const buffer = new Uint8Array(1024);
  while (await Deno.stdin.read(buffer) !== null);
}

/**
 * Resolves when a long-running subcommand should end normally, and rejects when it cannot go on.
 *
 * @param stopWithStdin whether the end of standard input counts too
 */
export async function endOfService(stopWithStdin: boolean, failed: Promise<never>): Promise<void> {
  const ends: Promise<unknown>[] = [endingSignal(), failed];
  if (stopWithStdin) ends.push(endOfStandardInput());
  await Promise.race(ends);
}
