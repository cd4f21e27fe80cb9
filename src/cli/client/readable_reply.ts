import {
  DoubleReply,
  ErrorReply,
  MapReply,
  PushReply,
  type Reply,
  SimpleString,
  VerbatimReply,
} from "../../resp/reply.ts";

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
/** Commands whose bulk reply is text for people; RESP2 cannot say so. */
const TEXT_COMMANDS = ["info", "client list", "client info", "cluster nodes", "cluster info"];

/**
 * A reply for people, as `redis-cli` shows it on a terminal: types named, elements numbered, bytes
 * escaped. In pieces, with a line feed at the end.
 *
 * @param isText whether a bulk is shown as it is
 */
export function* readableReply(reply: Reply, isText = false): Generator<string> {
  const text = reply instanceof VerbatimReply ? reply.text : isText ? reply : null;
  if (typeof text !== "string") return yield* show(reply, "");
  yield printable(text);
  if (!text.endsWith("\n")) yield "\n";
}

/** Whether the request asks for text rather than for a value. */
export function asksForText([name = "", subcommand = ""]: readonly string[]): boolean {
  const isWanted = (text: string) => TEXT_COMMANDS.includes(text.toLowerCase());
  return isWanted(name) || isWanted(`${name} ${subcommand}`);
}

/** A bulk in double quotes that `splitInline` reads back. */
export function quoted(text: string): string {
  return `"${escaped(text)}"`;
}

function* show(reply: Reply, indent: string): Generator<string> {
  if (typeof reply === "string") return yield* showBulk(reply);
  if (reply instanceof MapReply) return yield* showMap(reply, indent);
  if (reply instanceof PushReply) return yield* showItems(reply.items, ">", indent);
  if (isArray(reply)) return yield* showItems(reply, ")", indent);
  yield `${scalarText(reply)}\n`;
}

function scalarText(reply: Exclude<Reply, string | MapReply | PushReply | readonly Reply[]>) {
  if (reply === null) return "(nil)";
  if (typeof reply === "number" || typeof reply === "bigint") return `(integer) ${reply}`;
  if (reply instanceof SimpleString) return printable(reply.text);
  if (reply instanceof ErrorReply) return `(error) ${printable(reply.text)}`;
  if (reply instanceof DoubleReply) return `(double) ${reply.value}`;
  return printable(reply.text);
}

/** In slices: four times a very long value would be beyond the longest string. */
function* showBulk(text: string): Generator<string> {
  yield '"';
  for (let at = 0; at < text.length; at += SLICE_CHARS) {
    yield escaped(text.slice(at, at + SLICE_CHARS));
  }
  yield '"\n';
}

function* showItems(items: readonly Reply[], mark: string, indent: string): Generator<string> {
  if (items.length === 0) return yield "(empty array)\n";
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
  if (reply instanceof PushReply) return reply.items.length > 0;
  return isArray(reply) && reply.length > 0;
}

function isArray(reply: Reply): reply is readonly Reply[] {
  return Array.isArray(reply);
}

function escaped(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what must not reach a terminal
  return text.replace(/[\x00-\x1f"\\\x7f-\xff]/g, (char) => ESCAPES[char.charCodeAt(0)] ?? char);
}

/** Text of the server's own, without what could command the terminal. */
function printable(text: string): string {
  // deno-lint-ignore no-control-regex -- as above
  return text.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g, hex);
}

function hex(char: string): string {
  return `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`;
}
