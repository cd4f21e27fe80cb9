import { regentCommand } from "./regent_process.ts";
import { until } from "./until.ts";

/** A running `regent` command, with its output. */
export class RunningCommand {
  readonly #process: Deno.ChildProcess;
  readonly #ended: Promise<number>;
  #stdout = "";
  #stderr = "";
  #hasEnded = false;

  constructor(args: readonly string[], env: Record<string, string> = {}) {
    this.#process = regentCommand(args, {
      env,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const { stdout, stderr } = this.#process;
    const drained = Promise.all([
      collect(stdout, (text) => this.#stdout += text),
      collect(stderr, (text) => this.#stderr += text),
    ]);
    this.#ended = this.#process.status.then(async ({ code }) => {
      this.#hasEnded = true;
      await drained;
      return code;
    });
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** The lines printed so far that match. */
  linesLike(pattern: RegExp): string[] {
    return this.#stdout.split("\n").filter((line) => pattern.test(line));
  }

  /** Waits for a line and returns it. @throws if it does not come, or the command ends */
  async line(pattern: RegExp): Promise<string> {
    const describe = () => `It said:\n${this.#stdout}${this.#stderr}`;
    await until(`a line like ${pattern}`, () => {
      return this.#hasEnded || this.linesLike(pattern).length > 0;
    }, { describe });
    const [line] = this.linesLike(pattern);
    if (line === undefined) throw new Error(`It ended without ${pattern}. ${describe()}`);
    return line;
  }

  signal(signal: Deno.Signal): void {
    if (!this.#hasEnded) this.#process.kill(signal);
  }

  /** Resolves with the exit code after all output has been read. */
  ended(): Promise<number> {
    return this.#ended;
  }
}

async function collect(
  stream: ReadableStream<Uint8Array>,
  take: (text: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) take(decoder.decode(chunk, { stream: true }));
}

/** Runs a command during a test, then ends it; kills it if it does not end. */
export async function withCommand<T>(
  args: readonly string[],
  test: (command: RunningCommand) => Promise<T>,
  env: Record<string, string> = {},
): Promise<T> {
  const command = new RunningCommand(args, env);
  try {
    return await test(command);
  } finally {
    command.signal("SIGTERM");
    const timer = setTimeout(() => command.signal("SIGKILL"), 60_000);
    await command.ended();
    clearTimeout(timer);
  }
}
