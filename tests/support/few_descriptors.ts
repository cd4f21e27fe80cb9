import { regentCommand } from "./regent_process.ts";

/** A running `regent` with a low limit of open files. */
export class FewDescriptors {
  readonly #process: Deno.ChildProcess;
  readonly #drained: Promise<void>;
  #said = "";

  constructor(limit: number, args: readonly string[]) {
    const within = ["bash", "-c", `ulimit -n ${limit}; exec "$@"`, "bash"];
    const streams = { stderr: "piped", stdout: "null" } as const;
    this.#process = regentCommand(args, streams, undefined, within).spawn();
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
