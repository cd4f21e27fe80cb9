import type { Writable } from "node:stream";
import { type ByteString, textOf } from "../../base/byte_string.ts";
import { latin1Bytes } from "../../base/bytes.ts";
import { messageOf, UserError } from "../../base/errors.ts";
import { rowOf } from "../../commands/table.ts";
import { isString } from "../../resp/encode.ts";
import {
  DoubleReply,
  EncodedStrings,
  ErrorReply,
  MapReply,
  PushReply,
  type Reply,
  SetReply,
  SimpleString,
  VerbatimReply,
} from "../../resp/reply.ts";

/** `readable` for people, `raw` for programs. */
export type ReplyStyle = "readable" | "raw";

/**
 * A reply as it is printed, in pieces.
 *
 * @param args the request
 */
export function styledReply(
  reply: Reply,
  args: readonly string[],
  style: ReplyStyle,
): Iterable<string> {
  return style === "raw" ? rawReply(reply) : readableReply(reply, asksForText(args));
}

/**
 * A reply for programs: plain values, one element per line, an empty line for null. In pieces, with
 * a final line feed.
 */
export function* rawReply(reply: Reply): Generator<string> {
  yield* showRaw(reply);
  yield "\n";
}

function* showRaw(reply: Reply): Generator<string> {
  if (reply instanceof MapReply) return yield* showPairs(reply);
  if (reply instanceof PushReply || reply instanceof SetReply) {
    return yield* showRawItems(reply.items);
  }
  if (isString(reply)) return yield textOf(reply);
  if (reply === null) return;
  if (typeof reply === "number" || typeof reply === "bigint") return yield String(reply);
  if (reply instanceof DoubleReply) return yield String(reply.value);
  if (
    reply instanceof SimpleString || reply instanceof ErrorReply || reply instanceof VerbatimReply
  ) {
    return yield reply.text;
  }
  yield* showRawItems(reply instanceof EncodedStrings ? [reply.text] : reply);
}

function* showRawItems(items: readonly Reply[]): Generator<string> {
  for (const [at, item] of items.entries()) {
    if (at > 0) yield "\n";
    yield* showRaw(item);
  }
}

function* showPairs({ pairs }: MapReply): Generator<string> {
  for (const [at, [key, value]] of pairs.entries()) {
    if (at > 0) yield "\n";
    yield* showRaw(key);
    yield " ";
    yield* showRaw(value);
  }
}

const SLICE_CHARS = 16 * 1024;
const SPECIAL = new Map([
  ["\\", "\\\\"],
  ['"', '\\"'],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
  ["\x07", "\\a"],
  ["\b", "\\b"],
]);
const ESCAPES = Array.from({ length: 256 }, (_, byte) => {
  const char = String.fromCharCode(byte);
  return SPECIAL.get(char) ?? hex(char);
});

/**
 * A reply for people, as `redis-cli` shows it on a terminal: with types, numbered elements and
 * escaped bytes. In pieces, with a final line feed.
 *
 * @param isText whether a bulk is printed as it is
 */
export function* readableReply(reply: Reply, isText = false): Generator<string> {
  const text = reply instanceof VerbatimReply ? reply.text : isText ? reply : null;
  if (typeof text !== "string") return yield* show(reply, "");
  yield printable(text);
  if (!text.endsWith("\n")) yield "\n";
}

/** Whether the reply to the request is text rather than a value. */
export function asksForText(request: readonly string[]): boolean {
  return rowOf(request)?.isText === true;
}

/** A bulk in double quotes, in the form that `splitInline` parses. */
export function quoted(text: string): string {
  return `"${escaped(text)}"`;
}

function* show(reply: Reply, indent: string): Generator<string> {
  if (isString(reply)) return yield* showBulk(textOf(reply));
  if (reply instanceof MapReply) return yield* showMap(reply, indent);
  if (reply instanceof PushReply) return yield* showItems(reply.items, ">", indent);
  if (reply instanceof SetReply) return yield* showItems(reply.items, "~", indent);
  if (isArray(reply)) return yield* showItems(reply, ")", indent);
  yield `${scalarText(reply)}\n`;
}

function scalarText(
  reply: Exclude<Reply, ByteString | MapReply | PushReply | SetReply | readonly Reply[]>,
) {
  if (reply === null) return "(nil)";
  if (typeof reply === "number" || typeof reply === "bigint") return `(integer) ${reply}`;
  if (reply instanceof SimpleString) return printable(reply.text);
  if (reply instanceof ErrorReply) return `(error) ${printable(reply.text)}`;
  if (reply instanceof DoubleReply) return `(double) ${reply.value}`;
  return printable(reply.text);
}

/** In slices, since an escaped value can be four times as long and exceed the maximum string. */
function* showBulk(text: string): Generator<string> {
  yield '"';
  for (let at = 0; at < text.length; at += SLICE_CHARS) {
    yield escaped(text.slice(at, at + SLICE_CHARS));
  }
  yield '"\n';
}

function* showItems(items: readonly Reply[], mark: string, indent: string): Generator<string> {
  if (items.length === 0) return yield `(empty ${mark === "~" ? "set" : "array"})\n`;
  const width = String(items.length).length;
  const inner = indent + " ".repeat(width + 2);
  for (const [at, item] of items.entries()) {
    yield `${at === 0 ? "" : indent}${String(at + 1).padStart(width)}${mark} `;
    yield* show(item, inner);
  }
}

function* showMap({ pairs }: MapReply, indent: string): Generator<string> {
  if (pairs.length === 0) return yield "(empty hash)\n";
  const width = String(pairs.length).length;
  const inner = indent + " ".repeat(width + 2);
  for (const [at, [key, value]] of pairs.entries()) {
    yield `${at === 0 ? "" : indent}${String(at + 1).padStart(width)}# `;
    yield `${[...show(key, inner)].join("").trimEnd()} => `;
    if (hasLines(value)) yield `\n${inner}`;
    yield* show(value, inner);
  }
}

function hasLines(reply: Reply): boolean {
  if (reply instanceof MapReply) return reply.pairs.length > 0;
  if (reply instanceof PushReply || reply instanceof SetReply) return reply.items.length > 0;
  return isArray(reply) && reply.length > 0;
}

function isArray(reply: Reply): reply is readonly Reply[] {
  return Array.isArray(reply);
}

function escaped(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what must not reach a terminal
  return text.replace(/[\x00-\x1f"\\\x7f-\xff]/g, (char) => ESCAPES[char.charCodeAt(0)] ?? char);
}

/** The server's text without characters that control a terminal. */
function printable(text: string): string {
  // deno-lint-ignore no-control-regex -- as above
  return text.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g, hex);
}

function hex(char: string): string {
  return `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

const BATCH_CHARS = 64 * 1024;

/** Where the text of replies is written. */
export interface ClientOutput {
  /**
   * Resolves when the text was written, so that a slow reader slows the writer down.
   *
   * @param text one character (0–255) per byte
   * @throws {UserError} when the output is closed
   */
  write(text: string): Promise<void>;
}

/** Standard output, when there is no line editing. */
export const standardOutput: ClientOutput = {
  async write(text) {
    const bytes = latin1Bytes(text);
    try {
      for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
    } catch (error) {
      throw cannotPrint(error);
    }
  },
};

/** An output to a stream that line editing writes to as well. */
export function streamOutput(stream: Writable): ClientOutput {
  stream.on("error", () => {}); // each write reports its error itself
  return {
    write: (text) =>
      new Promise((resolve, reject) =>
        stream.write(latin1Bytes(text), (error) => {
          if (error) reject(cannotPrint(error));
          else resolve();
        })
      ),
  };
}

/** Joins many small pieces into few large writes. */
export async function writePieces(output: ClientOutput, pieces: Iterable<string>): Promise<void> {
  let batch = "";
  for (const piece of pieces) {
    batch += piece;
    if (batch.length < BATCH_CHARS) continue;
    await output.write(batch);
    batch = "";
  }
  if (batch !== "") await output.write(batch);
}

function cannotPrint(error: unknown): UserError {
  const isClosed = error instanceof Deno.errors.BrokenPipe || codeOf(error) === "EPIPE";
  const reason = isClosed ? "it was closed" : messageOf(error);
  return new UserError(`Cannot write to standard output: ${reason}`, { cause: error });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
