import * as readline from "node:readline";
import type { Readable, Writable } from "node:stream";
import { messageOf, UserError } from "../../base/errors.ts";
import type { Reply } from "../../resp/reply.ts";
import { type ClientConnection, INVALID_ARGUMENTS, isEnd } from "./client_connection.ts";
import { completeLine, helpText } from "./completion.ts";
import {
  type ClientOutput,
  type ReplyStyle,
  streamOutput,
  styledReply,
  writePieces,
} from "./replies.ts";
import {
  bytesOfText,
  type CommandHistory,
  isSecretLine,
  textOfBytes,
  typedArguments,
} from "./typed_lines.ts";

const HISTORY_LINES_MAX = 1_000;
const CLEAR_SCREEN = "\x1b[H\x1b[2J";

export interface InteractiveOptions {
  readonly connection: ClientConnection;
  readonly history: CommandHistory;
  readonly style: ReplyStyle;
  /** The terminal's input. */
  readonly input: Readable;
  readonly output: Writable;
}

/** Executes lines typed at a terminal one after the other, until `quit` or Ctrl-D. */
export class InteractiveSession {
  readonly #connection: ClientConnection;
  readonly #history: CommandHistory;
  readonly #style: ReplyStyle;
  readonly #terminal: Writable;
  readonly #output: ClientOutput;
  readonly #editor: readline.Interface;
  /** Typed lines that are not finished. The first one is being executed. */
  readonly #lines: string[] = [];
  /** Settles when the session has ended and all lines are finished, or the output is closed. */
  readonly #done: Promise<void>;
  #resolveDone: () => void = () => {};
  #rejectDone: (error: unknown) => void = () => {};
  #hasEnded = false;

  constructor({ connection, history, style, input, output }: InteractiveOptions) {
    this.#connection = connection;
    this.#history = history;
    this.#style = style;
    this.#terminal = output;
    this.#output = streamOutput(output);
    this.#done = new Promise((resolve, reject) => {
      this.#resolveDone = resolve;
      this.#rejectDone = reject;
    });
    input.on("error", () => this.#editor.close()); // the terminal is gone
    this.#editor = readline.createInterface({
      input,
      output,
      terminal: true,
      history: [...history.lines],
      historySize: HISTORY_LINES_MAX,
      removeHistoryDuplicates: true,
      completer: (line: string) => completeLine(line),
    });
  }

  /** @throws {UserError} when writing to the terminal fails */
  async run(): Promise<void> {
    const editor = this.#editor;
    editor.on("line", (line: string) => this.#typed(line));
    editor.on("history", forgetSecret);
    editor.on("SIGINT", () => this.#interrupted());
    editor.on("close", () => this.#closed());
    if (this.#history.failure !== null) await this.#say(this.#history.failure);
    await this.#reach();
    this.#prompt();
    try {
      await this.#done;
    } finally {
      this.#hasEnded = true;
      editor.close();
      this.#connection.close();
    }
  }

  /** Ends the session, as Ctrl-D does. */
  close(): void {
    this.#editor.close();
  }

  /** Shows a push above the line that is being typed. */
  showPush(reply: Reply): void {
    readline.cursorTo(this.#terminal, 0);
    readline.clearLine(this.#terminal, 0);
    const goOn = () => {
      if (this.#lines.length === 0) this.#prompt();
    };
    this.#print(reply, []).then(goOn, this.#rejectDone);
  }

  #typed(line: string): void {
    this.#history.add(line);
    this.#lines.push(line);
    if (this.#lines.length === 1) this.#executeAll().catch(this.#rejectDone);
  }

  async #executeAll(): Promise<void> {
    for (let line = this.#lines[0]; line !== undefined; line = this.#lines[0]) {
      await this.#execute(line);
      this.#lines.shift();
    }
    if (this.#hasEnded) this.#resolveDone();
    else this.#prompt();
  }

  async #execute(line: string): Promise<void> {
    const args = typedArguments(line);
    if (args === null) return await this.#output.write(INVALID_ARGUMENTS);
    const [name = ""] = args;
    if (isEnd(args)) {
      this.#lines.length = 0;
      this.#hasEnded = true;
      return this.#editor.close();
    }
    switch (name.toLowerCase()) {
      case "":
        return;
      case "clear":
        return await this.#output.write(CLEAR_SCREEN);
      case "help":
      case "?":
        return await this.#say(helpText(args[1] === undefined ? undefined : textOfBytes(args[1])));
    }
    try {
      await this.#print(await this.#connection.request(args), args);
    } catch (error) {
      await this.#sayWhy(error);
    }
  }

  async #reach(): Promise<void> {
    try {
      await this.#connection.connect();
    } catch (error) {
      await this.#sayWhy(error);
    }
  }

  #print(reply: Reply, args: readonly string[]): Promise<void> {
    return writePieces(this.#output, styledReply(reply, args, this.#style));
  }

  #sayWhy(error: unknown): Promise<void> {
    if (!(error instanceof UserError)) throw error;
    return this.#say(messageOf(error));
  }

  #say(text: string): Promise<void> {
    return this.#output.write(bytesOfText(`${text}\n`));
  }

  #prompt(): void {
    if (this.#hasEnded) return;
    const { isConnected, name } = this.#connection;
    this.#editor.setPrompt(`${isConnected ? name : "not connected"}> `);
    this.#editor.prompt(true);
  }

  /** Handles Ctrl-C. */
  #interrupted(): void {
    if (this.#lines.length > 0) {
      this.#lines.length = 1;
      return this.#connection.close("interrupted by Ctrl-C");
    }
    this.#editor.write(null, { ctrl: true, name: "e" });
    this.#editor.write(null, { ctrl: true, name: "u" });
  }

  #closed(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (this.#lines.length === 0) {
      this.#output.write("\n").then(this.#resolveDone, this.#rejectDone);
    }
  }
}

/**
 * Removes a line with a password from the editor's history.
 *
 * @param lines newest first
 */
function forgetSecret(lines: string[]): void {
  if (lines[0] !== undefined && isSecretLine(lines[0])) lines.shift();
}
