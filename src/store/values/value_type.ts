import type { ByteString } from "../../base/byte_string.ts";

/**
 * A value that is not a string: an object tagged with its type. Each type declares an interface for
 * reading, which extends this one, and a class that implements it and can also change the value.
 * Reads return the interface. Only `Keyspace.edit` hands out the class, after it has copied a value
 * that an open snapshot or another key holds. So a command that forgets copy-on-write does not
 * compile.
 */
export interface TypedValue {
  readonly type: AnyValueType;
}

/** What every type says about its values, including that of strings. */
export interface ValueDescription<View> {
  /** The name in `TYPE`, `SCAN … TYPE` and snapshots: up to 20 lower-case letters. */
  readonly name: string;
  /**
   * Estimated memory of a value in bytes, without its key. Takes constant time. It depends on the
   * content alone, never on the edits, copies and snapshots that led to it: the sum decides which
   * writes are refused, and all nodes must refuse the same ones.
   */
  bytes(value: View): number;
  /** Redis's name for the way in which it would store the value (`OBJECT ENCODING`). */
  encoding(value: View): string;
}

/**
 * A type of values that are not strings. No method, and no step of a generator, may take longer
 * than a few milliseconds, however large the value is: the event loop stands still meanwhile, and
 * nothing may stop it for 25 ms.
 *
 * @typeParam View the interface for reading a value
 * @typeParam Editable the class of the same value, for changing it
 */
export interface ValueType<View extends TypedValue, Editable extends View>
  extends ValueDescription<View> {
  /** A new empty value. No key holds one: an edit that empties a value removes its key. */
  create(): Editable;
  isEmpty(value: View): boolean;
  /**
   * A copy that can be changed while the original stays as it is. For large values the two share
   * their parts, and a part is copied when one of them first changes it: path copying in a tree, or
   * blocks that know which value may change them.
   */
  clone(value: View): Editable;
  /** Number of byte strings in each entry. */
  readonly entryLength: 1 | 2;
  /**
   * The entries of a value for a snapshot, such as elements, or fields with their values, in an
   * order that depends on the content alone. Writes are executed between two entries, but never
   * change this value.
   */
  encode(value: View): Generator<Entry, void>;
  /** Builds a value from its entries, which then behaves like the original in every respect. */
  decoder(): ValueDecoder<Editable>;
}

/** Any type, for code that works with all of them. */
export type AnyValueType = ValueType<TypedValue, TypedValue>;

/** One entry of a value: byte strings of any length. */
export type Entry = readonly [ByteString] | readonly [ByteString, ByteString];

export interface ValueDecoder<Editable> {
  /** Adds the next entry, of `entryLength` strings. Returns false when it is not valid there. */
  add(entry: readonly ByteString[]): boolean;
  /** The value; `null` when entries are missing. */
  finish(): Editable | null;
}
