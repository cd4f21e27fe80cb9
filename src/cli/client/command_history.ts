import { messageOf } from "../../base/errors.ts";
import { isSecretLine } from "./typed_line.ts";

const FILE_NAME = ".regentcli_history";
const LINES_MAX = 1_000;
const MODE = 0o600;

/** The lines typed in earlier sessions, in a file that only its owner can read. */
export class CommandHistory {
  readonly #path: string | null;
  #lines: string[] = [];
  #failure: string | null = null;

  /** @param home the directory that holds the file; `undefined`: nothing is kept */
  constructor(home: string | undefined) {
    this.#path = home === undefined || home === "" ? null : `${home}/${FILE_NAME}`;
    if (this.#path !== null) this.#read(this.#path);
  }

  /** Newest first, at most 1,000. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Why nothing is kept, though it should be. */
  get failure(): string | null {
    return this.#failure;
  }

  /** Keeps a line, unless it repeats the last one or may hold a password. */
  add(line: string): void {
    if (line.trim() === "" || line === this.#lines[0] || isSecretLine(line)) return;
    this.#lines = [line, ...this.#lines.slice(0, LINES_MAX - 1)];
    const path = this.#path;
    if (path === null || this.#failure !== null) return;
    this.#try(() => Deno.writeTextFileSync(path, `${line}\n`, { append: true, mode: MODE }));
  }

  #read(path: string): void {
    this.#try(() => {
      const lines = readLines(path);
      if (lines === null) return;
      Deno.chmodSync(path, MODE);
      this.#lines = lines.slice(-LINES_MAX).reverse();
      if (lines.length <= 2 * LINES_MAX) return;
      const text = this.#lines.toReversed().map((line) => `${line}\n`).join("");
      Deno.writeTextFileSync(path, text, { mode: MODE });
    });
  }

  /** A client works without its history, so a failure is only told. */
  #try(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#failure = `Cannot keep the history in ${this.#path}: ${messageOf(error)}`;
    }
  }
}

function readLines(path: string): string[] | null {
  try {
    return Deno.readTextFileSync(path).split("\n").filter((line) => line !== "");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
