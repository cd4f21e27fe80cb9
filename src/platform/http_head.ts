import { latin1Bytes } from "../base/bytes.ts";

/** The head of a request or a response: its first line in three parts, and its fields. */
export interface Head {
  readonly first: readonly [string, string, string];
  /** By name in lower case. The values of a field that comes twice are joined by a comma. */
  readonly fields: ReadonlyMap<string, string>;
}

/** How a body ends: after so many bytes, or where its chunks say. */
export type Body = number | "chunked";

/** What came is not HTTP/1.1. */
export class HttpSyntaxError extends Error {
  override name = "HttpSyntaxError";
  /** The status with which a server refuses it. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

// deno-lint-ignore no-control-regex
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*$/;
/** Fields that decide where a message ends must not be open to two readings. */
const ONCE = new Set(["content-length", "transfer-encoding", "host", "connection"]);
/** Maximum number of fields of a head. */
const FIELDS_MAX = 100;

/**
 * @param text without the empty line at its end
 * @throws {HttpSyntaxError} for anything that RFC 9112 does not allow, folded lines among it
 */
export function parseHead(text: string): Head {
  const [line = "", ...lines] = text.split("\r\n");
  const first = /^([^ \r\n]+) ([^ \r\n]+)(?: ([^\r\n]*))?$/.exec(line);
  if (first === null) throw new HttpSyntaxError(400, "The first line is malformed");
  if (lines.length > FIELDS_MAX) throw new HttpSyntaxError(431, "There are too many fields");
  const fields = new Map<string, string>();
  for (const each of lines) {
    const [, name = "", value = ""] = FIELD.exec(each) ?? [];
    if (name === "") throw new HttpSyntaxError(400, "A field is malformed");
    const known = fields.get(name.toLowerCase());
    if (known !== undefined && ONCE.has(name.toLowerCase())) {
      throw new HttpSyntaxError(400, `The field ${name} comes twice`);
    }
    fields.set(name.toLowerCase(), known === undefined ? value : `${known}, ${value}`);
  }
  return { first: [first[1] ?? "", first[2] ?? "", first[3] ?? ""], fields };
}

/** How the body ends that follows a head. @throws {HttpSyntaxError} when it does not say so */
export function bodyOf({ fields }: Head): Body {
  const length = fields.get("content-length");
  const coding = fields.get("transfer-encoding");
  if (coding !== undefined) {
    if (coding.toLowerCase() !== "chunked" || length !== undefined) {
      throw new HttpSyntaxError(400, "The end of the body is unclear");
    }
    return "chunked";
  }
  if (length === undefined) return 0;
  if (!/^[0-9]{1,16}$/.test(length) || !Number.isSafeInteger(Number(length))) {
    throw new HttpSyntaxError(400, "The length of the body is malformed");
  }
  return Number(length);
}

/** Names and values, without line breaks. A character of a value is one byte. */
export type Fields = Iterable<readonly [name: string, value: string]>;

export function encodeHead(first: string, fields: Fields): Uint8Array {
  let text = `${first}\r\n`;
  for (const [name, value] of fields) text += `${name}: ${value}\r\n`;
  return latin1Bytes(`${text}\r\n`);
}
