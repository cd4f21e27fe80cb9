import { Buffer } from "node:buffer";
import { parseAddress } from "../base/address.ts";
import { WEIGHT_MAX } from "../ring/ring.ts";

/** Which texts and numbers the state holds about files, for the commands and for snapshots. */

/** Longest name of a file, in bytes of UTF-8. */
export const FILE_NAME_BYTES_MAX = 1_024;
export const FILE_TYPE_BYTES_MAX = 255;
export const FILE_OWNER_BYTES_MAX = 64;
export const FILE_TAGS_BYTES_MAX = 4_096;
/** Maximum number of copies of a file. */
export const FILE_COPIES_MAX = 16;
/** Maximum number of nodes in the layout. */
export const FILE_NODES_MAX = 128;

/** The tags of a file that has none. */
export const NO_TAGS = "{}";

const ASCII = /^[\0-\x7f]*$/;
// deno-lint-ignore no-control-regex
const CONTROL = /[\0-\x1f\x7f]/;
const BLOB_ID = /^[0-9a-f]{32}$/;
const SHA256 = /^[0-9a-f]{64}$/;
const NODE_ID = /^[A-Za-z0-9_.-]{1,64}$/;
const MEDIA_TYPE = /^[\x20-\x7e]*$/;
const WEIGHT = /^(?:0|[1-9][0-9]?)(?:\.[0-9]{1,6})?$/;
const ADDRESS_BYTES_MAX = 300;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text that a byte string holds as UTF-8; `null` if it is not valid UTF-8. */
export function utf8TextOf(bytes: string): string | null {
  if (ASCII.test(bytes)) return bytes;
  try {
    return decoder.decode(Buffer.from(bytes, "latin1"));
  } catch {
    return null;
  }
}

/** Whether bytes are UTF-8 without control characters. */
function isPlainText(bytes: string): boolean {
  return !CONTROL.test(bytes) && utf8TextOf(bytes) !== null;
}

export function isFileName(bytes: string): boolean {
  return bytes.length > 0 && bytes.length <= FILE_NAME_BYTES_MAX && isPlainText(bytes);
}

export function isBlobId(text: string): boolean {
  return BLOB_ID.test(text);
}

export function isSha256(text: string): boolean {
  return SHA256.test(text);
}

export function isNodeId(text: string): boolean {
  return NODE_ID.test(text);
}

/** Whether a text can stand in a `Content-Type` header. */
export function isFileType(text: string): boolean {
  return text.length <= FILE_TYPE_BYTES_MAX && MEDIA_TYPE.test(text);
}

export function isFileOwner(bytes: string): boolean {
  return bytes.length <= FILE_OWNER_BYTES_MAX && isPlainText(bytes);
}

export function isNodeAddress(text: string): boolean {
  return text.length <= ADDRESS_BYTES_MAX && MEDIA_TYPE.test(text) && parseAddress(text) !== null;
}

/** The weight of a node; `null` if the text is not a decimal number from 0 to `WEIGHT_MAX`. */
export function parseWeight(text: string): number | null {
  const weight = WEIGHT.test(text) ? Number(text) : Infinity;
  return weight <= WEIGHT_MAX ? weight : null;
}

/** The tags of a file; `null` if they are not a JSON object of strings and numbers in UTF-8. */
export function parseTags(bytes: string): Readonly<Record<string, string | number>> | null {
  const text = bytes.length <= FILE_TAGS_BYTES_MAX ? utf8TextOf(bytes) : null;
  if (text === null) return null;
  let tags: unknown;
  try {
    tags = JSON.parse(text);
  } catch {
    return null;
  }
  const isObject = typeof tags === "object" && tags !== null && !Array.isArray(tags);
  return isObject && Object.values(tags as object).every(isTag)
    ? tags as Record<string, string | number>
    : null;
}

function isTag(value: unknown): boolean {
  return typeof value === "string" || typeof value === "number";
}
