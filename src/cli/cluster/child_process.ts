import { fileURLToPath } from "node:url";

/** Appends a stream of text to a file. Resolves with the last line when the stream ends. */
async function appendToFile(
  stream: ReadableStream<Uint8Array>,
  path: string,
): Promise<string> {
  using file = Deno.openSync(path, { append: true, create: true, write: true });
  const decoder = new TextDecoder();
  let lastLine = "";
  let begun = "";
  for await (const chunk of stream) {
    file.writeSync(chunk);
    const lines = (begun + decoder.decode(chunk, { stream: true })).split("\n");
    begun = (lines.pop() ?? "").slice(-1_000);
    lastLine = lines.findLast((line) => line !== "") ?? lastLine;
  }
  return begun === "" ? lastLine : begun;
}

const STOP_MS_MAX = 3_000;

export interface ChildOptions {
  readonly name: string;
  /** Arguments after `regent`. */
  readonly args: readonly string[];
  /** Deno permissions when running from source. A compiled program has its own. */
  readonly permissions: readonly string[];
  /** File for everything that the child prints. */
  readonly logFile: string;
  readonly onExit: (child: ChildProcess, exit: ChildExit) => void;
}

export interface ChildExit {
  /** Whether the exit code was 0: it was asked to stop, or was removed from the cluster. */
  readonly isSuccess: boolean;
  /** For example `killed by SIGKILL` or `exit code 1`. */
  readonly how: string;
  /** The last line that it printed; empty if none. */
  readonly lastLine: string;
}

/** Variables meant for a single node, which must not reach all of them. Empty counts as unset. */
const SINGLE_NODE_VARIABLES = { REGENT_JOIN: "", REGENT_PROXY_PORT: "" };

/** A process of a local cluster: a node or the proxy. */
export class ChildProcess {
  readonly name: string;
  readonly #process: Deno.ChildProcess;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly exited: Promise<void>;

  constructor(options: ChildOptions) {
    this.name = options.name;
    const { file, args } = programCommand(options.args, options.permissions);
    this.#process = new Deno.Command(file, {
      args,
      env: SINGLE_NODE_VARIABLES,
      stdin: "piped", // its end tells the child that its parent is gone
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.exited = this.#watch(options);
  }

  get processId(): number {
    return this.#process.pid;
  }

  /** Asks the process to stop, and kills it if it does not stop, as when it is suspended. */
  stop(): void {
    this.#signal("SIGTERM");
    this.#timer ??= setTimeout(() => this.#signal("SIGKILL"), STOP_MS_MAX);
  }

  #signal(signal: Deno.Signal): void {
    try {
      this.#process.kill(signal);
    } catch {
      // It has ended already.
    }
  }

  async #watch({ logFile, onExit }: ChildOptions): Promise<void> {
    const lastLine = await appendToFile(this.#process.stderr, logFile);
    const status = await this.#process.status;
    clearTimeout(this.#timer);
    const how = status.signal === null ? `exit code ${status.code}` : `killed by ${status.signal}`;
    onExit(this, { isSuccess: status.success, how, lastLine });
  }
}

/** The command that starts this program again, compiled or from source. */
function programCommand(
  args: readonly string[],
  permissions: readonly string[],
): { file: string; args: string[] } {
  const file = Deno.execPath();
  if (Deno.build.standalone) return { file, args: [...args] };
  const main = fileURLToPath(new URL("../../../main.ts", import.meta.url));
  return { file, args: ["run", "--quiet", "--no-prompt", ...permissions, main, ...args] };
}
