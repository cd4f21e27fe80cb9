import { Readable } from "node:stream";
import { latin1, latin1Bytes } from "../../base/bytes.ts";
import { messageOf, UserError } from "../../base/errors.ts";
import { splitInline } from "../../resp/inline.ts";

const READ_BYTES = 1_024;

/**
 * Reads keys from the terminal at standard input, for line editing.
 *
 * `process.stdin` does not work. In older versions of Deno, such as 2.6, a pause, such as for a
 * completion, leaves a read pending, which takes the next keys or shares its buffer with the next
 * read.
 */
export class TerminalInput extends Readable {
  constructor() {
    super({ highWaterMark: READ_BYTES });
  }

  override _read(): void {
    const buffer = new Uint8Array(READ_BYTES);
    Deno.stdin.read(buffer).then(
      (count) => this.push(count === null ? null : buffer.subarray(0, count)),
      (error) => this.destroy(error),
    );
  }

  /** Switches between single keys without echo, for line editing, and whole lines. */
  setRawMode(isRaw: boolean): void {
    Deno.stdin.setRaw(isRaw);
  }
}

const LF = 0x0a;
const LINE_BYTES_MAX = 64 * 1024 * 1024;

/** The chunks of standard input. */
export async function* standardInput(): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(64 * 1024);
  for (;;) {
    const count = await Deno.stdin.read(buffer);
    if (count === null) return;
    yield buffer.slice(0, count);
  }
}

/**
 * Splits an input into lines without line feeds, with one character (0–255) per byte. The last line
 * needs no line feed.
 *
 * @throws {UserError} for a line of more than 64 MiB
 */
export async function* inputLines(
  input: AsyncIterable<Uint8Array>,
  lineBytesMax = LINE_BYTES_MAX,
): AsyncGenerator<string> {
  let pieces: string[] = [];
  let lineBytes = 0;
  for await (const chunk of input) {
    let from = 0;
    while (from < chunk.length) {
      const lineFeed = chunk.indexOf(LF, from);
      const to = lineFeed < 0 ? chunk.length : lineFeed;
      pieces.push(latin1(chunk, from, to));
      lineBytes += to - from;
      if (lineBytes > lineBytesMax) {
        throw new UserError(`Cannot read a line of more than ${lineBytesMax} bytes`);
      }
      from = to + 1;
      if (lineFeed < 0) break;
      yield pieces.join("");
      pieces = [];
      lineBytes = 0;
    }
  }
  if (lineBytes > 0) yield pieces.join("");
}

/** Encodes text in UTF-8, with one character (0–255) per byte. */
export function bytesOfText(text: string): string {
  const bytes = new TextEncoder().encode(text);
  return latin1(bytes, 0, bytes.length);
}

/** The inverse of `bytesOfText`. */
export function textOfBytes(bytes: string): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(latin1Bytes(bytes));
}

/** The arguments of a typed command; `null` when quotes do not balance. */
export function typedArguments(line: string): string[] | null {
  return splitInline(bytesOfText(line));
}

/** Settings of Redis that hold passwords. */
const SECRET_SETTINGS = /^(requirepass|masterauth|masteruser|tls-.*-pass)$/i;

/** Whether a line may contain a password and must not be stored. */
export function isSecretLine(line: string): boolean {
  const words = typedArguments(line) ?? line.trim().split(/\s+/);
  const [name, second, ...rest] = words.map((word) => word.replace(/^["']/, "").toLowerCase());
  const hasAuth = [second, ...rest].some((word) => word === "auth" || word === "auth2");
  switch (name) {
    case "auth":
      return true;
    case "hello":
    case "migrate":
      return hasAuth;
    case "acl":
      return second === "setuser";
    case "config":
      return second === "set" && rest.some((word) => SECRET_SETTINGS.test(word));
    default:
      return false;
  }
}

const FILE_NAME = ".regentcli_history";
const LINES_MAX = 1_000;
const MODE = 0o600;

/** The lines typed in earlier sessions, in a file that only its owner can read. */
export class CommandHistory {
  readonly #path: string | null;
  #lines: string[] = [];
  #failure: string | null = null;

  /** @param home directory of the file; `undefined`: nothing is stored */
  constructor(home: string | undefined) {
    this.#path = home === undefined || home === "" ? null : `${home}/${FILE_NAME}`;
    if (this.#path !== null) this.#read(this.#path);
  }

  /** Newest first, 1,000 at most. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Why the history cannot be stored; `null` if it can, or if there is no file for it. */
  get failure(): string | null {
    return this.#failure;
  }

  /** Stores a line, unless it repeats the last one or may contain a password. */
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

  /** Only notes a failure, since the client works without its history. */
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
