import { Buffer } from "node:buffer";
import { machine, totalmem } from "node:os";
import { getHeapStatistics } from "node:v8";
import type { Logger } from "../base/logger.ts";

/** What the process tells about itself. */
export interface ProcessFacts {
  readonly processId: number;
  readonly startedMs: number;
  /** 40 hexadecimal digits, other ones for each process. */
  readonly runId: string;
  /** Such as `Linux 6.1.0 x86_64`. */
  readonly os: string;
  readonly executable: string;
  /** What the system has, and what V8's heap may grow to; 0: not known. */
  readonly systemMemoryBytes: number;
  readonly heapLimitBytes: number;
  memoryBytes(): MemoryBytes;
}

/** What the process has of memory. */
export interface MemoryBytes {
  /** What the system has given to it. */
  readonly rss: number;
  /** V8's heap, and what of it is in use, garbage among it. */
  readonly heapTotal: number;
  readonly heapUsed: number;
  /** Buffers outside of the heap: short keys and values, what is read and sent. */
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
    os: `${os.charAt(0).toUpperCase()}${os.slice(1)} ${known(() => Deno.osRelease(), "")} ` +
      known(machine, arch),
    executable: known(() => Deno.execPath(), ""),
    systemMemoryBytes: known(totalmem, 0),
    heapLimitBytes: known(() => getHeapStatistics().heap_size_limit, 0),
    memoryBytes: () => Deno.memoryUsage(),
  };
}

/** What the process may not be allowed to find out (`--allow-sys`) is not told. */
function known<T>(find: () => T, otherwise: T): T {
  try {
    return find();
  } catch {
    return otherwise;
  }
}

/** For log files, peers, snapshots, and connections that are being refused. */
const RESERVED = 16;
/** So many files must be open at the same time for descriptors not to be out. */
const PROBED = 2;

/**
 * How many clients there can be beside what is open already; `Infinity` where the system does not
 * tell.
 */
export function clientsThatFit(): number {
  try {
    const limits = Deno.readTextFileSync("/proc/self/limits");
    const limit = Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? Infinity);
    const open = [...Deno.readDirSync("/proc/self/fd")].length;
    return Math.max(0, limit - open - RESERVED);
  } catch {
    return Infinity;
  }
}

/** Whether no file can be opened any more. */
export function areDescriptorsOut(): boolean {
  const files: Deno.FsFile[] = [];
  try {
    for (let i = 0; i < PROBED; i++) files.push(Deno.openSync("/dev/null"));
    return false;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound);
  } finally {
    for (const file of files) file.close();
  }
}

/** Resolves with the name of the first signal that asks the process to end. */
export function endingSignal(): Promise<Deno.Signal> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      Deno.addSignalListener(signal, () => resolve(signal));
    }
  });
}

const encoder = new TextEncoder();

/** Messages repeat what strangers sent: no line breaks, and nothing that a terminal would obey. */
function printable(message: string): string {
  return message.replace(
    // deno-lint-ignore no-control-regex -- these are what is to be kept out
    /[\x00-\x1f\x7f-\x9f]/g,
    (char) => char === "\n" ? " " : `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/** Writes `time level name: message`, a line each, to standard error. */
export function stderrLogger(name: string): Logger {
  const write = (level: string, message: string) => {
    const line = `${new Date().toISOString()} ${level} ${name}: ${printable(message)}\n`;
    try {
      Deno.stderr.writeSync(encoder.encode(line));
    } catch {
      // Whoever read our lines is gone; that must not end the service.
    }
  };
  return {
    info: (message) => write("info", message),
    warn: (message) => write("warn", message),
    error: (message) => write("error", message),
  };
}
