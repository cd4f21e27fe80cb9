import type { DeadlineMs } from "./deadlines.ts";

/**
 * How a state is told in chunks. A chunk that begins with `PIECE_MARK` is a piece of a long byte
 * string, as it is. Each other one is UTF-8 JSON, an array of items, and each item an array that
 * begins with its kind; a byte string is a JSON string there, whose code points 0–255 are the bytes.
 * The items, in this order:
 *
 * - `["state", format, timeMs, keys, expiredKeys, sessions, openedSessions]` or, where the user has
 *   bounded the memory, `[…, openedSessions, memoryBytesMax]`: once, at the beginning
 * - `["key", key, value]` or `["key", key, value, deadline]`: for each position, from 0; a deadline
 *   beyond 2^53 - 1 is a string
 * - `["session", id, ttlMs, deadlineMs, floor, highest, replies]` or, where it has an owner,
 *   `[…, replies, owner, 1 for a proxy's]`: in the order of opening, each followed by so many of
 * - `["reply", serial, reply]`: in any order, written by serial; the reply is in RESP3
 * - `["end"]`: once, at the end
 *
 * A key, value or reply longer than `SHORT_LENGTH_MAX` is told beforehand, in pieces of which all but
 * the last are of `PIECE_LENGTH_MAX` bytes, and then by `["long", length]`; in its place stands 0.
 * Where there are two, the first told is the first in the item.
 */
export const SNAPSHOT_FORMAT = 2;

/** Strings up to this length are told in their item: at most six times as many bytes of JSON. */
export const SHORT_LENGTH_MAX = 8192;

/** No JSON begins with it. */
export const PIECE_MARK = 0;
export const PIECE_LENGTH_MAX = 32 * 1024 - 1;

/** Something that is no chunk of a snapshot, or not the one that is due. */
export class SnapshotFormatError extends Error {
  override name = "SnapshotFormatError";
}

/** An item of a chunk, of which no more is known than that it is an array. */
export type SnapshotItem = readonly unknown[];

const DEADLINE_MAX = 2n ** 63n - 1n;

// A byte order mark must not vanish: it is no JSON.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @throws {SnapshotFormatError} as do all functions here */
export function parseChunk(chunk: Uint8Array): readonly SnapshotItem[] {
  let items: unknown;
  try {
    items = JSON.parse(decoder.decode(chunk));
  } catch {
    throw new SnapshotFormatError("Cannot load a chunk: it is not JSON");
  }
  if (!Array.isArray(items) || items.length === 0 || !items.every(Array.isArray)) {
    throw new SnapshotFormatError("Cannot load a chunk: it is no array of arrays");
  }
  return items;
}

/** Checks the number of fields, the kind included. */
export function lengthOf(item: SnapshotItem, lengthMin: number, lengthMax: number): void {
  if (item.length < lengthMin || item.length > lengthMax) {
    throw wrongItem(item, `it has ${item.length} fields`);
  }
}

export function integerField(
  item: SnapshotItem,
  index: number,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): number {
  const value = item[index];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max) {
    throw wrongItem(item, `field ${index} is wrong`);
  }
  // JSON knows -0.
  return value + 0;
}

/** A byte string. */
export function textField(item: SnapshotItem, index: number): string {
  const value = item[index];
  if (typeof value !== "string" || !/^[\0-\xff]*$/.test(value)) {
    throw wrongItem(item, `field ${index} is wrong`);
  }
  return value;
}

/** A deadline in its one form: a bigint is a string, and beyond 2^53 - 1. */
export function deadlineField(item: SnapshotItem, index: number): DeadlineMs {
  const value = item[index];
  if (typeof value !== "string") return integerField(item, index, 1);
  const deadlineMs = /^[1-9][0-9]{15,18}$/.test(value) ? BigInt(value) : 0n;
  if (deadlineMs <= Number.MAX_SAFE_INTEGER || deadlineMs > DEADLINE_MAX) {
    throw wrongItem(item, `field ${index} is wrong`);
  }
  return deadlineMs;
}

/** A session's id, and the number that it begins with. */
export function sessionNumber(
  item: SnapshotItem,
  index: number,
): { readonly key: string; readonly number: number } {
  const key = textField(item, index);
  const [, number] = /^([1-9][0-9]{0,15})-(?:0|[1-9][0-9]{0,15})$/.exec(key) ?? [];
  if (number === undefined) throw wrongItem(item, `field ${index} is wrong`);
  return { key, number: Number(number) };
}

/** An error that tells of an item only its kind: the rest is clients' data. */
export function wrongItem([kind]: SnapshotItem, reason: string): SnapshotFormatError {
  const name = typeof kind === "string" ? JSON.stringify(kind.slice(0, 20)) : typeof kind;
  return new SnapshotFormatError(`Cannot load a chunk: an item ${name} is wrong: ${reason}`);
}
