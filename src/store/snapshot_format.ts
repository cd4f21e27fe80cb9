/**
 * How a state is told in chunks. A chunk that begins with `PIECE_MARK` is a piece of a long byte
 * string, as it is. Each other one is UTF-8 JSON, an array of items, and each item an array that
 * begins with its kind; a byte string is a JSON string there, whose code points 0–255 are the bytes.
 * The items, in this order:
 *
 * - `["state", format, timeMs, keys, expiredKeys, sessions, openedSessions]`: once, at the beginning
 * - `["key", key, value]` or `["key", key, value, deadline]`: for each position, from 0; a deadline
 *   beyond 2^53 - 1 is a string
 * - `["session", id, ttlMs, deadlineMs, floor, highest, replies]`: in the order of opening, each
 *   followed by so many of
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
