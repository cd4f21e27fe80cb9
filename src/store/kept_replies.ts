import { assert } from "../base/errors.ts";
import {
  ErrorReply,
  MapReply,
  OK,
  PushReply,
  type Reply,
  SetReply,
  SimpleString,
  VerbatimReply,
} from "../resp/reply.ts";

/** Estimated memory of an element beside the bytes of its text. */
const ELEMENT_BYTES = 16;
const OK_BYTES = ELEMENT_BYTES + OK.text.length;

/** Estimated memory of a kept reply, in bytes. */
export function replyBytes(reply: Reply): number {
  if (reply === OK) return OK_BYTES;
  if (typeof reply === "string" || reply instanceof Uint8Array) return ELEMENT_BYTES + reply.length;
  if (reply === null || typeof reply !== "object") return ELEMENT_BYTES;
  if (reply instanceof SimpleString || reply instanceof ErrorReply) {
    return ELEMENT_BYTES + reply.text.length;
  }
  if (reply instanceof VerbatimReply) return ELEMENT_BYTES + reply.text.length;
  if (reply instanceof MapReply) return sum(reply.pairs.flat());
  if (reply instanceof PushReply || reply instanceof SetReply) return sum(reply.items);
  return Array.isArray(reply) ? sum(reply) : ELEMENT_BYTES;
}

function sum(items: readonly Reply[]): number {
  let bytes = ELEMENT_BYTES;
  for (const item of items) bytes += replyBytes(item);
  return bytes;
}

/** Minimum number of places of a table that holds something. All sizes are powers of two. */
const PLACES_MIN = 16;
/** Marks a free place: serials begin with 1. */
const FREE = 0;

/**
 * Replies by serial. A few thousand serials are kept at a time; they are added almost in order and
 * removed in order. So each has a place, the serial modulo the size of the table, and a place is
 * reused without garbage. A serial whose place is taken goes into a map. So the size of the table
 * depends on the number of replies alone, however far their serials are apart.
 *
 * Serials are safe integers from 1 on.
 */
export class KeptReplies {
  #serials = new Float64Array(0);
  #replies: Reply[] = [];
  #displaced: Map<number, Reply> | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Number of places of its table. */
  get places(): number {
    return this.#serials.length;
  }

  get(serial: number): Reply | undefined {
    const place = serial & (this.#serials.length - 1);
    if (this.#serials[place] === serial) return this.#replies[place];
    return this.#displaced?.get(serial);
  }

  has(serial: number): boolean {
    return this.get(serial) !== undefined;
  }

  /** Adds a reply under a new serial. */
  add(serial: number, reply: Reply): void {
    assert(serial > FREE && !this.has(serial), "Cannot add a reply: its serial is not new");
    const places = this.#serials.length;
    if (4 * this.#size >= 3 * places) this.#resize(Math.max(PLACES_MIN, 2 * places));
    this.#put(serial, reply);
    this.#size++;
  }

  /** Removes a reply and returns it. */
  remove(serial: number): Reply | undefined {
    const place = serial & (this.#serials.length - 1);
    let reply: Reply | undefined;
    if (this.#serials[place] === serial) {
      reply = this.#replies[place];
      this.#serials[place] = FREE;
      this.#replies[place] = null;
    } else if (this.#displaced === null) {
      return undefined;
    } else {
      reply = this.#displaced.get(serial);
      if (reply === undefined) return undefined;
      this.#displaced.delete(serial);
      if (this.#displaced.size === 0) this.#displaced = null;
    }
    this.#size--;
    const places = this.#serials.length;
    if (8 * this.#size < places && places > PLACES_MIN) this.#resize(places / 2);
    return reply;
  }

  /** All replies in the order of their serials, whatever the order in which they were added. */
  entries(): (readonly [number, Reply])[] {
    const entries: (readonly [number, Reply])[] = [...this.#displaced ?? []];
    for (const [place, reply] of this.#replies.entries()) {
      const serial = this.#serials[place];
      if (serial !== undefined && serial !== FREE) entries.push([serial, reply]);
    }
    return entries.sort(([a], [b]) => a - b);
  }

  #put(serial: number, reply: Reply): void {
    const place = serial & (this.#serials.length - 1);
    if (this.#serials[place] === FREE) {
      this.#serials[place] = serial;
      this.#replies[place] = reply;
    } else {
      this.#displaced ??= new Map();
      this.#displaced.set(serial, reply);
    }
  }

  #resize(places: number): void {
    const [serials, replies, displaced] = [this.#serials, this.#replies, this.#displaced];
    this.#serials = new Float64Array(places);
    this.#replies = new Array<Reply>(places).fill(null);
    this.#displaced = null;
    for (const [place, reply] of replies.entries()) {
      const serial = serials[place];
      if (serial !== undefined && serial !== FREE) this.#put(serial, reply);
    }
    for (const [serial, reply] of displaced ?? []) this.#put(serial, reply);
  }
}
