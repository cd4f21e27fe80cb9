import type { DeadlineMs } from "./deadlines.ts";

/**
 * The format of a state in chunks. A chunk that begins with `PIECE_MARK` holds a piece of a long
 * string in its other bytes. Every other chunk is UTF-8 JSON: an array of items, each an array that
 * begins with its kind. A byte string is a JSON string whose code points 0–255 are the bytes. The
 * items, in this order:
 *
 * - `["state", format, timeMs, keys, expiredKeys, sessions, openedSessions]` or, if the user has
 *   bounded the memory, `[…, openedSessions, memoryBytesMax]`: once, first
 * - for each position, from 0: `["key", key, value]` if the value is a string. Any other value is
 *   `["open", key, type]`, then its entries in one or more `["part", string, …]`, then `["close",
 *   entries]` with their number. `key` and `open` of a key that expires have its deadline as
 *   another field, a string if it is beyond 2^53 - 1
 * - for each session, in the order of opening: `["session", id, ttlMs, deadlineMs, floor, highest,
 *   replies]` or, if it has an owner, `[…, replies, owner, 1 for a proxy's and else 0]`, then its
 *   replies as `["reply", serial, reply]`, the reply in RESP3. They are written in the order of
 *   their serials and may be read in any order
 * - if there ever was a file or a node for files: `["files", version, revision, nodes, files,
 *   dead]`, then for each node, by id, `["filenode", id, address, weight, capacityBytes, freeBytes,
 *   1 if it is out and else 0, 1 if it is draining and else 0]`, then for each content, by id:
 *   `["file", blob, size, sha256, name, version, createdVersion, copies, createdMs, modifiedMs,
 *   type, owner, tags, holder, …]`, or, if it is to be deleted, `["dead", blob, size, sha256, holder, …]`
 * - if a user was ever changed: `["users", version, users]`, then for each user, by name, `["user",
 *   name, rules]` with the number of its rules, then these (`rulesOf`) in `["rules", rule, …]`
 * - `["end"]`: once, last
 *
 * A string longer than `SHORT_LENGTH_MAX` stands before its item: in pieces, all of
 * `PIECE_LENGTH_MAX` bytes but the last, and then `["long", length]`. Its field in the item is 0.
 * Two long strings of one item come in the order of their fields.
 */
export const SNAPSHOT_FORMAT = 2;

/** Longest string in an item, in bytes. Its JSON takes up to six times as many. */
export const SHORT_LENGTH_MAX = 8192;

/** The first byte of a chunk that is a piece. No JSON begins with it. */
export const PIECE_MARK = 0;
/** Number of bytes of a piece. */
export const PIECE_LENGTH_MAX = 32 * 1024 - 1;

/**
 * Size at which a part is full: the bytes of its strings, and `PART_STRING_BYTES` for each string.
 */
export const PART_BYTES = SHORT_LENGTH_MAX;
export const PART_STRING_BYTES = 4;

/** A chunk is not valid, or not the next one. */
export class SnapshotFormatError extends Error {
  override name = "SnapshotFormatError";
}

/** An item of a chunk, whose fields were not checked yet. */
export type SnapshotItem = readonly unknown[];

const DEADLINE_MAX = 2n ** 63n - 1n;

// A byte order mark must not be dropped: it is not valid JSON.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The items of a chunk. @throws {SnapshotFormatError} as do all functions in this file */
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

/** Checks the number of fields, including the kind. */
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
  // -0 is valid JSON: make it 0.
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

/** A deadline: a number, or a string if it is beyond 2^53 - 1. */
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

/** The error for a wrong item. It shows only the item's kind: the rest is data of clients. */
export function wrongItem([kind]: SnapshotItem, reason: string): SnapshotFormatError {
  const name = typeof kind === "string" ? JSON.stringify(kind.slice(0, 20)) : typeof kind;
  return new SnapshotFormatError(`Cannot load a chunk: an item ${name} is wrong: ${reason}`);
}
