import { type ByteString, isByteString } from "../../base/byte_string.ts";
import type { DeadlineMs } from "../deadlines.ts";
import { stringType } from "./string_type.ts";
import type { AnyValueType, TypedValue, ValueDescription, ValueType } from "./value_type.ts";

/**
 * What a key holds, for reading. A value that was read is valid until the next write, which may
 * change it. So a read that lets writes go on between its steps must not keep one.
 */
export type Value = ByteString | TypedValue;

/** The value and the deadline of a key. */
export interface Found {
  readonly value: Value;
  /** `null`: the key does not expire. */
  readonly deadlineMs: DeadlineMs | null;
}

/** The types of this build beside strings. A new type is a module in this folder and a row here. */
export const VALUE_TYPES: readonly AnyValueType[] = [];

/** The type of a value. */
export function typeOf(value: Value): ValueDescription<Value> {
  return isByteString(value) ? stringType : value.type;
}

/** Estimated memory of a value in bytes, without its key. */
export function valueBytes(value: Value): number {
  return isByteString(value) ? value.length : value.type.bytes(value);
}

/** Whether a value is of this type, and so can be read as such. */
export function isOfType<View extends TypedValue, Editable extends View>(
  value: Value,
  type: ValueType<View, Editable>,
): value is View {
  return !isByteString(value) && value.type === type;
}
