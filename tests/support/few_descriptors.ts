import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));

/** A running `regent` with a low limit of open files. */
export class FewDescriptors {
  readonly #process: Deno.ChildProcess;
  readonly #drained: Promise<void>;
  #said = "";

  constructor(limit: number, args: readonly string[]) {
    const program = [Deno.execPath(), "run", "--no-check", "--allow-all", MAIN];
    const script = `ulimit -n ${limit}; exec "$@"`;
    this.#process = new Deno.Command("bash", {
      args: ["-c", script, "bash", ...program, ...args],
      stderr: "piped",
      stdout: "null",
    }).spawn();
    this.#drained = this.#drain();
  }

  /** Its standard error so far. */
  get said(): string {
    return this.#said;
  }

  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.status;
    await this.#drained;
  }

  async #drain(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#process.stderr) this.#said += decoder.decode(chunk);
  }
}
