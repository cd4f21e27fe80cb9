import type { Held, Opened } from "./idle_connections_process.ts";

/** Connections that do nothing, held by a process of their own. */
export class IdleConnections {
  readonly opened: number;
  readonly #process: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(process: Deno.ChildProcess, lines: AsyncIterator<string>, opened: number) {
    this.#process = process;
    this.#lines = lines;
    this.opened = opened;
  }

  /** Resolves when all are open that can be. */
  static async open(port: number, count: number): Promise<IdleConnections> {
    const path = new URL("idle_connections_process.ts", import.meta.url).pathname;
    const process = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "--allow-all", path, String(port), String(count)],
      stdin: "piped", // its end ends the process, also when this one was killed
      stdout: "piped",
    }).spawn();
    const lines = readLines(process.stdout);
    const { opened } = await nextReport<Opened>(lines);
    return new IdleConnections(process, lines, opened);
  }

  /** Some seconds later: how many are held, and whether a few of them are answered. */
  ask(): Promise<Held> {
    return nextReport<Held>(this.#lines);
  }

  async close(): Promise<void> {
    await this.#process.stdin.close();
    await this.#lines.return?.();
    await this.#process.status;
  }
}

async function nextReport<T>(lines: AsyncIterator<string>): Promise<T> {
  const { value, done } = await lines.next();
  if (done === true) throw new Error("Cannot hold idle connections: their process has ended");
  return JSON.parse(value);
}

async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
