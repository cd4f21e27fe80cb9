import { type ByteString, isByteString } from "../base/byte_string.ts";
import type { Keyspace } from "../store/keyspace.ts";
import { type Found, isOfType } from "../store/values/value.ts";
import type { TypedValue, ValueType } from "../store/values/value_type.ts";
import { WRONG_TYPE } from "./command_error.ts";

/** The string that a key holds. @throws {CommandError} when it holds another type */
export function stringOf({ value }: Pick<Found, "value">): ByteString {
  if (!isByteString(value)) throw WRONG_TYPE;
  return value;
}

/** The value of this type that a key holds. @throws {CommandError} when it holds another type */
export function valueOf<View extends TypedValue, Editable extends View>(
  { value }: Pick<Found, "value">,
  type: ValueType<View, Editable>,
): View {
  if (!isOfType(value, type)) throw WRONG_TYPE;
  return value;
}

/**
 * Changes the value of a key, see `Keyspace.edit`.
 *
 * @throws {CommandError} when the key holds another type
 */
export function editValue<View extends TypedValue, Editable extends View, Result>(
  keyspace: Keyspace,
  key: string,
  type: ValueType<View, Editable>,
  change: (value: Editable) => Result,
): Result {
  const found = keyspace.find(key);
  if (found !== undefined) valueOf(found, type);
  return keyspace.edit(key, type, change);
}
