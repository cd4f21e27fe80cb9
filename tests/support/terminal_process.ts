import { programWords } from "./regent_process.ts";
import { until } from "./until.ts";

/** `regent` on a pseudo-terminal, which the program `script` makes. */
export class TerminalProcess {
  readonly #process: Deno.ChildProcess;
  readonly #keys: WritableStreamDefaultWriter<Uint8Array>;
  readonly #drained: Promise<void>;
  #seen = "";

  constructor(args: readonly string[], env: Record<string, string>) {
    this.#process = new Deno.Command("script", {
      args: [
        "--quiet",
        "--return",
        "--command",
        [...programWords(args), ...args].join(" "),
        "/dev/null",
      ],
      env: { ...env, TERM: "xterm" },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#keys = this.#process.stdin.getWriter();
    this.#drained = this.#drain();
  }

  /** Waits until the text is shown, and drops everything up to it. */
  async sees(text: string): Promise<void> {
    await until(`${text} is shown`, () => this.#seen.includes(text), {
      describe: () => JSON.stringify(this.#seen),
    });
    this.#seen = this.#seen.slice(this.#seen.indexOf(text) + text.length);
  }

  async types(keys: string): Promise<void> {
    await this.#keys.write(new TextEncoder().encode(keys));
  }

  /** Resolves with the exit code. */
  async ended(): Promise<number> {
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), 60_000);
    const { code } = await this.#process.status;
    clearTimeout(timer);
    await this.#keys.close().catch(() => {});
    await this.#drained;
    return code;
  }

  async #drain(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#process.stdout) {
      this.#seen += decoder.decode(chunk, { stream: true });
    }
  }
}
