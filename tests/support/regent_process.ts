import { fileURLToPath } from "node:url";
import { permissionsFor } from "./permissions.ts";
import { until } from "./until.ts";

/** The program under test: the binary that `REGENT_BINARY` names, or else the source. */
const BINARY = Deno.env.get("REGENT_BINARY");
const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));
const SOURCE_ARGS = ["run", "--quiet", "--no-prompt"];

/**
 * The command for `regent` with these arguments, not started yet.
 *
 * @param program started instead of `regent`, as source
 * @param within the command that starts it, such as `ip netns exec NAME`
 */
export function regentCommand(
  args: readonly string[],
  options: Deno.CommandOptions = {},
  program?: string,
  within: readonly string[] = [],
): Deno.Command {
  const [file = "", ...rest] = [...within, ...programWords(args, program), ...args];
  // Most tests are not about HTTP and files, and start faster without them.
  const env = { REGENT_HTTP_PORT: "off", REGENT_FILE_WEIGHT: "0", ...options.env };
  return new Deno.Command(file, { ...options, env, args: rest });
}

/** The words that start `regent`, or the other program, before its arguments. */
export function programWords(args: readonly string[], program?: string): readonly string[] {
  const source = [Deno.execPath(), ...SOURCE_ARGS];
  if (program !== undefined) return [...source, "--allow-all", program];
  return BINARY === undefined ? [...source, ...permissionsFor(args), MAIN] : [BINARY];
}

/** Runs `regent` until it ends. */
export async function runRegent(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await regentCommand(args, { env, stdin: "null" }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** A running node or proxy. It ends with the process that started it, at the latest. */
export class RegentProcess {
  /** The process ids of all that run. */
  static readonly running: Set<number> = new Set();

  readonly #process: Deno.ChildProcess;
  readonly status: Promise<Deno.CommandStatus>;
  readonly #drained: Promise<void>;
  #said = "";
  #hasEnded = false;

  constructor(args: readonly string[], program?: string, within: readonly string[] = []) {
    this.#process = regentCommand(
      [...args, "--stop-with-stdin"],
      {
        stdin: "piped",
        stdout: "null",
        stderr: "piped",
      },
      program,
      within,
    ).spawn();
    this.#drained = this.#drain();
    RegentProcess.running.add(this.processId);
    this.status = this.#process.status.then((status) => {
      RegentProcess.running.delete(this.processId);
      this.#hasEnded = true;
      return status;
    });
  }

  get processId(): number {
    return this.#process.pid;
  }

  get isRunning(): boolean {
    return !this.#hasEnded;
  }

  /** Its standard error so far. */
  get said(): string {
    return this.#said;
  }

  /** Sends a signal and waits until the process has ended or stopped, if that is its effect. */
  async signal(signal: "SIGKILL" | "SIGTERM" | "SIGSTOP" | "SIGCONT"): Promise<void> {
    if (this.#hasEnded) return;
    this.#process.kill(signal);
    if (signal === "SIGKILL" || signal === "SIGTERM") await this.ended();
    if (signal === "SIGSTOP") await until("the process stands still", () => this.#isStopped());
  }

  /** Sends SIGHUP. */
  hangUp(): void {
    this.#process.kill("SIGHUP");
  }

  async ended(): Promise<Deno.CommandStatus> {
    const status = await this.status;
    await this.#drained;
    await this.#process.stdin.close().catch(() => {});
    return status;
  }

  /** Whether all its threads are stopped. Without `/proc` the signal is trusted. */
  #isStopped(): boolean {
    try {
      const tasks = `/proc/${this.processId}/task`;
      return [...Deno.readDirSync(tasks)].every(({ name }) =>
        Deno.readTextFileSync(`${tasks}/${name}/stat`).includes(") T ")
      );
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return Deno.build.os !== "linux";
      throw error;
    }
  }

  async #drain(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#process.stderr) {
      this.#said += decoder.decode(chunk, { stream: true });
    }
  }
}
