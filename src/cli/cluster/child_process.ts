import { fileURLToPath } from "node:url";

/** Copies a stream of text to the end of a file, and resolves with its last line when it ends. */
export async function endOfLines(
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
  /** What follows `regent`. */
  readonly args: readonly string[];
  /** What the child may touch, when it runs from source; the compiled program carries its own. */
  readonly permissions: readonly string[];
  /** Gets all that the child says. */
  readonly logFile: string;
  readonly onExit: (child: ChildProcess, exit: ChildExit) => void;
}

export interface ChildExit {
  /** It ended in good order, because it was told to or had nothing more to do. */
  readonly isInOrder: boolean;
  /** `killed by SIGKILL`, `exit code 1`. */
  readonly how: string;
  /** The last line it said; empty when it said nothing. */
  readonly lastLine: string;
}

/** What the environment may say to one node is no word for all of them; empty is unsaid. */
const ONE_AT_A_TIME = { REGENT_JOIN: "", REGENT_PROXY_PORT: "" };

/** One process of a local cluster: a node or the proxy. */
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
      env: ONE_AT_A_TIME,
      stdin: "piped", // its end tells the child that we are gone
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.exited = this.#watch(options);
  }

  get processId(): number {
    return this.#process.pid;
  }

  /** Asks it to stop, and ends it when it does not: it may be stopped by a `kill -STOP`. */
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
    const lastLine = await endOfLines(this.#process.stderr, logFile);
    const status = await this.#process.status;
    clearTimeout(this.#timer);
    const how = status.signal === null ? `exit code ${status.code}` : `killed by ${status.signal}`;
    onExit(this, { isInOrder: status.success, how, lastLine });
  }
}

/** How this very program is started again, compiled or from source. */
function programCommand(
  args: readonly string[],
  permissions: readonly string[],
): { file: string; args: string[] } {
  const file = Deno.execPath();
  if (Deno.build.standalone) return { file, args: [...args] };
  const main = fileURLToPath(new URL("../../../main.ts", import.meta.url));
  return { file, args: ["run", "--quiet", "--no-prompt", ...permissions, main, ...args] };
}
