import type { DeadlineMs } from "./expiry_heap.ts";
import { SnapshotFormatError } from "./snapshot_format.ts";

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
