import { type ByteString, partOf, writeByteString } from "../base/byte_string.ts";
import {
  PART_BYTES,
  PART_STRING_BYTES,
  PIECE_LENGTH_MAX,
  PIECE_MARK,
  SHORT_LENGTH_MAX,
} from "./snapshot_items.ts";

/** The JSON of an item, or a chunk that is a piece of a long string. */
export type EncodedItem = string | Uint8Array;

/**
 * Encodes lists of strings in items of that kind, each with as many lists as it has room for.
 * Returns the number of lists.
 */
export function* encodeParts(
  kind: "part" | "rules",
  lists: Iterable<readonly ByteString[]>,
): Generator<EncodedItem, number> {
  let entries = 0;
  let part = "";
  let bytes = 0;
  for (const entry of lists) {
    let entryBytes = 0;
    for (const { length } of entry) {
      // An entry with a long string has a part of its own.
      entryBytes += PART_STRING_BYTES + (length > SHORT_LENGTH_MAX ? PART_BYTES : length);
    }
    if (bytes > 0 && bytes + entryBytes > PART_BYTES) {
      yield `["${kind}"${part}]`;
      part = "";
      bytes = 0;
    }
    for (const text of entry) {
      if (text.length > SHORT_LENGTH_MAX) yield* encodeLong(text);
      part += "," + encodeField(text);
    }
    bytes += entryBytes;
    entries++;
  }
  if (bytes > 0) yield `["${kind}"${part}]`;
  return entries;
}

/** The JSON of a string, or 0 for a long one, which stands before the item. */
export function encodeField(text: ByteString): string {
  return typeof text !== "string" || text.length > SHORT_LENGTH_MAX ? "0" : JSON.stringify(text);
}

/** The items of a long string, which stand before the item that it belongs to. */
export function* encodeLong(text: ByteString): Generator<EncodedItem, void> {
  for (let from = 0; from < text.length; from += PIECE_LENGTH_MAX) {
    const piece = partOf(text, from, Math.min(text.length, from + PIECE_LENGTH_MAX));
    const chunk = new Uint8Array(1 + piece.length);
    chunk[0] = PIECE_MARK;
    writeByteString(chunk, 1, piece);
    yield chunk;
  }
  yield `["long",${text.length}]`;
}
