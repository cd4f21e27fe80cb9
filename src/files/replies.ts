import { isByteString, textOf } from "../base/byte_string.ts";
import { latin1, latin1Bytes } from "../base/bytes.ts";
import { DoubleReply, MapReply, type Reply, SetReply, SimpleString } from "../resp/reply.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true }); // that is, keep it

/** Text as the byte string of its UTF-8. */
export function utf8(text: string): string {
  const bytes = encoder.encode(text);
  return latin1(bytes, 0, bytes.length);
}

/** A reply of the cluster that is not of the form that its command promises. */
export class UnexpectedReply extends Error {
  override name = "UnexpectedReply";
}

/** The byte string of a reply, one character for each byte. @throws {UnexpectedReply} */
export function bytesIn(reply: Reply | undefined): string {
  if (reply !== undefined && isByteString(reply)) return textOf(reply);
  if (reply instanceof SimpleString) return reply.text;
  throw new UnexpectedReply("Cannot read a reply: expected a string");
}

/** The text of a reply that is UTF-8. @throws {UnexpectedReply} */
export function textIn(reply: Reply | undefined): string {
  return decoder.decode(latin1Bytes(bytesIn(reply)));
}

/** An integer of at least 0, which may come as a string. @throws {UnexpectedReply} */
export function countIn(reply: Reply | undefined): number {
  const value = typeof reply === "number" ? reply : Number(digitsIn(reply));
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new UnexpectedReply(`Cannot read a reply: expected a count, got ${value}`);
}

/** A number with decimals. @throws {UnexpectedReply} */
export function decimalIn(reply: Reply | undefined): number {
  if (typeof reply === "number") return reply;
  if (reply instanceof DoubleReply) return reply.value;
  const text = bytesIn(reply);
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  throw new UnexpectedReply(`Cannot read a reply: expected a decimal, got ${text}`);
}

function digitsIn(reply: Reply | undefined): string {
  const text = bytesIn(reply);
  return /^\d{1,16}$/.test(text) ? text : "NaN";
}

/** The elements of an array. @throws {UnexpectedReply} */
export function itemsIn(reply: Reply | undefined): readonly Reply[] {
  if (Array.isArray(reply)) return reply;
  if (reply instanceof SetReply) return reply.items;
  throw new UnexpectedReply("Cannot read a reply: expected an array");
}

/** The texts of an array. @throws {UnexpectedReply} */
export function textsIn(reply: Reply | undefined): readonly string[] {
  return itemsIn(reply).map(textIn);
}

/** The fields of a map, which RESP2 sends as an array. @throws {UnexpectedReply} */
export function fieldsIn(reply: Reply | undefined): Fields {
  if (reply instanceof MapReply) {
    return new Fields(new Map(reply.pairs.map(([name, value]) => [bytesIn(name), value])));
  }
  const items = itemsIn(reply);
  if (items.length % 2 !== 0) throw new UnexpectedReply("Cannot read a reply: expected pairs");
  const pairs = new Map<string, Reply>();
  for (let at = 0; at < items.length; at += 2) {
    pairs.set(bytesIn(items[at]), items[at + 1] ?? null);
  }
  return new Fields(pairs);
}

/** A map of a reply. Unknown fields are ignored. All methods throw `UnexpectedReply`. */
export class Fields {
  readonly #values: ReadonlyMap<string, Reply>;

  constructor(values: ReadonlyMap<string, Reply>) {
    this.#values = values;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  value(name: string): Reply {
    const value = this.#values.get(name);
    if (value === undefined) throw new UnexpectedReply(`Cannot read a reply: ${name} is missing`);
    return value;
  }

  text(name: string): string {
    return textIn(this.value(name));
  }

  count(name: string): number {
    return countIn(this.value(name));
  }

  decimal(name: string): number {
    return decimalIn(this.value(name));
  }

  texts(name: string): readonly string[] {
    return textsIn(this.value(name));
  }

  /** The text, if it is one of those that are known. */
  oneOf<T extends string>(name: string, known: readonly T[]): T {
    const text = this.text(name);
    const found = known.find((one) => one === text);
    if (found === undefined) {
      throw new UnexpectedReply(`Cannot read a reply: ${name} is ${JSON.stringify(text)}`);
    }
    return found;
  }
}
