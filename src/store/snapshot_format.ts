/**
 * How a state is told in chunks. Each chunk is UTF-8 JSON, an array of items, and each item an array
 * that begins with its kind. A byte string is a JSON string whose code points 0–255 are the bytes.
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
 * A key, value or reply longer than `PIECE_LENGTH_MAX` is told beforehand, by any number of
 * `["piece", text]` and then `["long", length]`; in its place stands 0. Where there are two, the
 * first told is the first in the item.
 */
export const SNAPSHOT_FORMAT = 1;

/** Strings up to this length are told in one piece: at most six times as many bytes of JSON. */
export const PIECE_LENGTH_MAX = 8192;

/** Something that is no chunk of a snapshot, or not the one that is due. */
export class SnapshotFormatError extends Error {
  override name = "SnapshotFormatError";
}
