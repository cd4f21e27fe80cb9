import type { Arguments } from "../base/byte_string.ts";
import { parseCount } from "../base/integer.ts";
import type { FileDescription } from "../store/file_record.ts";
import {
  FILE_COPIES_MAX,
  FILE_NAME_BYTES_MAX,
  FILE_NODES_MAX,
  FILE_OWNER_BYTES_MAX,
  FILE_TAGS_BYTES_MAX,
  FILE_TYPE_BYTES_MAX,
  isBlobId,
  isFileName,
  isFileOwner,
  isFileType,
  isNodeAddress,
  isNodeId,
  isSha256,
  NO_TAGS,
  parseTags,
  parseWeight,
  utf8TextOf,
} from "../store/file_rules.ts";
import { argument, isOption } from "./arguments.ts";
import { CommandError } from "./command_error.ts";

const SIZE_MAX = Number.MAX_SAFE_INTEGER;
/** Maximum number of files or tasks in one reply. */
const PAGE_MAX = 1_000;
const PAGE_DEFAULT = 100;

function expected(what: string, form: string): CommandError {
  return new CommandError(`ERR invalid ${what}, expected ${form}`);
}

const INVALID_NAME = expected(
  "name",
  `1 to ${FILE_NAME_BYTES_MAX} bytes of UTF-8 without control characters`,
);
const INVALID_BLOB = expected("blob", "32 hexadecimal digits in lower case");
const INVALID_SHA256 = expected("sha256", "64 hexadecimal digits in lower case");
const INVALID_NODE = expected("node", "1 to 64 letters, digits, '_', '.' or '-'");
const INVALID_HOLDERS = expected(
  "holders",
  `1 to ${FILE_NODES_MAX} different nodes with commas between them`,
);
const INVALID_TYPE = expected("type", `up to ${FILE_TYPE_BYTES_MAX} characters of ASCII`);
const INVALID_OWNER = expected(
  "owner",
  `up to ${FILE_OWNER_BYTES_MAX} bytes of UTF-8 without control characters`,
);
const INVALID_TAGS = expected(
  "tags",
  `a JSON object of strings and numbers, in up to ${FILE_TAGS_BYTES_MAX} bytes of UTF-8`,
);
const INVALID_ADDRESS = expected("address", "HOST:PORT");
const INVALID_WEIGHT = expected("weight", "a decimal number from 0 to 64");
const INVALID_TEXT = expected("text", `up to ${FILE_NAME_BYTES_MAX} bytes of UTF-8`);
const INVALID_ORDER = expected("order", "name, size or date");
const INVALID_PREFIX = expected("prefix", `up to ${FILE_NAME_BYTES_MAX} bytes`);
const INVALID_CURSOR = expected("cursor", "one from an earlier reply of the same order");
const TWO_CONDITIONS = new CommandError(
  "ERR only one of IFVERSION, IFABSENT and IFPRESENT is possible",
);

function checked(args: Arguments, index: number, is: (text: string) => boolean, no: CommandError) {
  const text = argument(args, index);
  if (!is(text)) throw no;
  return text;
}

/** The arguments at an index. @throws {CommandError} as do all functions of this file */
export const nameAt = (args: Arguments, index: number): string =>
  checked(args, index, isFileName, INVALID_NAME);
export const blobAt = (args: Arguments, index: number): string =>
  checked(args, index, isBlobId, INVALID_BLOB);
export const nodeAt = (args: Arguments, index: number): string =>
  checked(args, index, isNodeId, INVALID_NODE);
export const addressAt = (args: Arguments, index: number): string =>
  checked(args, index, isNodeAddress, INVALID_ADDRESS);

export function weightAt(args: Arguments, index: number): number {
  const weight = parseWeight(argument(args, index));
  if (weight === null) throw INVALID_WEIGHT;
  return weight;
}

export function countAt(
  args: Arguments,
  index: number,
  what: string,
  min = 0,
  max: number = SIZE_MAX,
): number {
  const text = argument(args, index);
  const count = parseCount(text, 0, text.length);
  if (count < min || count > max) throw expected(what, `an integer from ${min} to ${max}`);
  return count;
}

/** `n1,n2,…` in the order of the ids. */
function holdersAt(args: Arguments, index: number): readonly string[] {
  const text = argument(args, index);
  const ids = text.length <= 65 * FILE_NODES_MAX ? text.split(",") : [];
  const isValid = ids.length > 0 && ids.length <= FILE_NODES_MAX && ids.every(isNodeId) &&
    new Set(ids).size === ids.length;
  if (!isValid) throw INVALID_HOLDERS;
  return ids.sort();
}

/** Calls the handler of each option, which returns the index of the next one. */
function readOptions(
  args: Arguments,
  from: number,
  options: Readonly<Record<string, (at: number) => void>>,
  bare: readonly string[],
): void {
  for (let index = from; index < args.length;) {
    const word = argument(args, index);
    const name = Object.keys(options).find((option) => isOption(word, option));
    if (name === undefined) {
      throw new CommandError(
        `ERR syntax error: argument ${index} is no option, expected ${
          Object.keys(options).join(", ")
        }`,
      );
    }
    const isBare = bare.includes(name);
    if (!isBare && index + 1 === args.length) {
      throw new CommandError(`ERR syntax error: the value of ${name} is missing`);
    }
    options[name]?.(index + 1);
    index += isBare ? 1 : 2;
  }
}

/** What must be the case before a write: a version, or whether the file exists. */
export type FileCondition = number | "absent" | "present" | null;

/** `FILE COMMIT` */
export interface CommitRequest {
  readonly file: FileDescription;
  readonly holders: readonly string[];
  /** Log time after which it is refused; 0: never. */
  readonly deadlineMs: number;
  readonly condition: FileCondition;
}

export function parseCommit(args: Arguments): CommitRequest {
  const name = nameAt(args, 2);
  const blob = blobAt(args, 3);
  const size = countAt(args, 4, "size");
  const sha256 = checked(args, 5, isSha256, INVALID_SHA256);
  const copies = countAt(args, 6, "copies", 1, FILE_COPIES_MAX);
  const holders = holdersAt(args, 7);
  const deadlineMs = countAt(args, 8, "deadline-ms");
  let type = "";
  let owner = "";
  let tags = NO_TAGS;
  let condition: FileCondition = null;
  const setCondition = (wanted: FileCondition) => {
    if (condition !== null) throw TWO_CONDITIONS;
    condition = wanted;
  };
  readOptions(args, 9, {
    TYPE: (at) => type = checked(args, at, isFileType, INVALID_TYPE),
    OWNER: (at) => owner = checked(args, at, isFileOwner, INVALID_OWNER),
    TAGS: (at) => tags = checked(args, at, (text) => parseTags(text) !== null, INVALID_TAGS),
    IFVERSION: (at) => setCondition(countAt(args, at, "version")),
    IFABSENT: () => setCondition("absent"),
    IFPRESENT: () => setCondition("present"),
  }, ["IFABSENT", "IFPRESENT"]);
  const file = { name, blob, size, sha256, copies, type, owner, tags };
  return { file, holders, deadlineMs, condition };
}

/** The condition of `FILE DELETE name [IFVERSION v]`. */
export function parseDelete(args: Arguments): number | null {
  let version: number | null = null;
  readOptions(args, 3, { IFVERSION: (at) => version = countAt(args, at, "version") }, []);
  return version;
}

/** `FILE WORK node [AFTER cursor] [COUNT n]` */
export interface WorkRequest {
  readonly node: string;
  /** The last blob looked at; empty at the beginning. */
  readonly after: string;
  readonly count: number;
}

export function parseWork(args: Arguments): WorkRequest {
  const node = nodeAt(args, 2);
  let after = "";
  let count = PAGE_DEFAULT;
  readOptions(args, 3, {
    AFTER: (at) =>
      after = checked(args, at, (text) => text === "" || isBlobId(text), INVALID_CURSOR),
    COUNT: (at) => count = countAt(args, at, "count", 1, PAGE_MAX),
  }, []);
  return { node, after, count };
}

export type FileOrder = "name" | "size" | "date";

/** `FILE LIST …` */
export interface ListRequest {
  /** Bytes. */
  readonly prefix: string;
  /** Text in lower case. */
  readonly contains: string;
  /** The file after which the page begins; `null` at the beginning. */
  readonly after: ListCursor | null;
  readonly count: number;
  readonly by: FileOrder;
  readonly isReverse: boolean;
}

/** The last file looked at; only the fields of the order are set. */
export interface ListCursor {
  readonly name: string;
  readonly size: number;
  readonly version: number;
}

export function parseList(args: Arguments): ListRequest {
  let prefix = "";
  let contains = "";
  let cursor = "";
  let count = PAGE_DEFAULT;
  let by: FileOrder = "name";
  let isReverse = false;
  const isShort = (text: string) => text.length <= FILE_NAME_BYTES_MAX;
  const isText = (text: string) => isShort(text) && utf8TextOf(text) !== null;
  readOptions(args, 2, {
    PREFIX: (at) => prefix = checked(args, at, isShort, INVALID_PREFIX),
    CONTAINS: (at) => {
      const text = checked(args, at, isText, INVALID_TEXT);
      contains = (utf8TextOf(text) ?? "").toLowerCase();
    },
    AFTER: (at) => cursor = argument(args, at),
    COUNT: (at) => count = countAt(args, at, "count", 1, PAGE_MAX),
    BY: (at) => by = orderAt(args, at),
    REV: () => isReverse = true,
  }, ["REV"]);
  const after = cursor === "" ? null : parseCursor(cursor, by);
  return { prefix, contains, after, count, by, isReverse };
}

function orderAt(args: Arguments, index: number): FileOrder {
  const word = argument(args, index);
  if (isOption(word, "NAME")) return "name";
  if (isOption(word, "SIZE")) return "size";
  if (isOption(word, "DATE")) return "date";
  throw INVALID_ORDER;
}

/** The cursor that continues after a file. */
export function cursorOf({ name, size, version }: ListCursor, by: FileOrder): string {
  return by === "name" ? name : by === "size" ? `${size}/${name}` : String(version);
}

function parseCursor(text: string, by: FileOrder): ListCursor {
  const end = by === "name" ? 0 : by === "size" ? text.indexOf("/") : text.length;
  const number = by === "name" ? 0 : parseCount(text, 0, end);
  const name = by === "name" ? text : by === "size" ? text.slice(end + 1) : "";
  const isValid = number >= 0 && (by === "date" || isFileName(name));
  if (!isValid) throw INVALID_CURSOR;
  return { name, size: number, version: number };
}
