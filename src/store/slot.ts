import { type Value, valueBytes } from "./value.ts";

/**
 * A point in time, in milliseconds of the Unix epoch: a number up to 2^53 - 1, a bigint from there
 * up to 2^63 - 1. So each deadline has exactly one form.
 */
export type DeadlineMs = number | bigint;

/** One key with its value. Only `Keyspace` changes it; everybody else reads. */
export class Slot {
  readonly key: string;
  value: Value;
  /** What the value takes. To ask the value itself would cost a look at memory far away. */
  valueBytes: number;
  /** Where it stands among all slots; -1 once it is removed. */
  position: number;
  /** An object of its own, so that the many keys without a deadline pay one word for it. */
  expiry: Expiry | null = null;

  constructor(key: string, value: Value, position: number) {
    this.key = key;
    this.value = value;
    this.valueBytes = valueBytes(value);
    this.position = position;
  }

  /** When the key ends; `null`: never. */
  get deadlineMs(): DeadlineMs | null {
    return this.expiry === null ? null : this.expiry.deadlineMs;
  }
}

/** A deadline, whose it is, and its place in the heap of deadlines. */
export interface Expiry<T extends { readonly key: string } = Slot> {
  readonly slot: T;
  deadlineMs: DeadlineMs;
  heapIndex: number;
}
