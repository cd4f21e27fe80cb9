import { type Value, valueBytes } from "./value.ts";
import { ARENA_VALUE_BYTES_MAX, type Tenant, type ValueArena } from "./value_arena.ts";

/**
 * A point in time, in milliseconds of the Unix epoch: a number up to 2^53 - 1, a bigint from there
 * up to 2^63 - 1. So each deadline has exactly one form.
 */
export type DeadlineMs = number | bigint;

/** One key with its value. Only `Keyspace` changes it; everybody else reads. */
export class Slot implements Tenant {
  readonly key: string;
  /** What the value takes. */
  valueBytes = 0;
  /** Where it stands among all slots; -1 once it is removed. */
  position: number;
  /** Where the value stands in the arena; -1: nowhere. */
  place = -1;
  /** An object of its own, so that the many keys without a deadline pay one word for it. */
  expiry: Expiry | null = null;
  /** The value, if it is long; otherwise where it is kept. */
  #held: Value | ValueArena = "";

  /** A slot with an empty value. */
  constructor(key: string, position: number) {
    this.key = key;
    this.position = position;
  }

  get value(): Value {
    const held = this.#held;
    return typeof held === "string" ? held : held.read(this.place, this.valueBytes);
  }

  /** Keeps a value instead of the one before: a short one in the arena, always the same one. */
  hold(value: Value, arena: ValueArena): void {
    const isShort = value.length <= ARENA_VALUE_BYTES_MAX;
    if (this.place < 0 || !isShort || !arena.overwrite(this, value)) {
      this.leave(arena);
      if (isShort) arena.add(this, value);
    }
    this.#held = isShort ? arena : value;
    this.valueBytes = valueBytes(value);
  }

  /** Gives back the value's room in the arena. */
  leave(arena: ValueArena): void {
    if (this.place >= 0) arena.remove(this);
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
