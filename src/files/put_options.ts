import { FILE_COPIES_MAX } from "../store/file_rules.ts";
import { FileError } from "./file_error.ts";
import type { Condition, FileRecord, Tags } from "./file_metadata.ts";

/** In bytes, as the limits below. */
const NAME_BYTES_MAX = 1_024;
const TYPE_BYTES_MAX = 255;
const OWNER_BYTES_MAX = 64;
const TAGS_BYTES_MAX = 4_096;

/** Finds tags in the beginning of a content. */
export interface Tagger {
  /** Number of bytes that it needs, at most. */
  readonly headBytes: number;
  /** @param head the beginning of the content, or all of a shorter one @param size of all of it */
  tagsOf(head: Uint8Array, size: number): Promise<Tags>;
}

export interface PutOptions {
  /** Bytes of the body; `null` if they are not known. */
  readonly size: number | null;
  /** A media type. */
  readonly type: string;
  /** @default what the service was given */
  readonly copies?: number;
  readonly owner?: string;
  readonly tags?: Tags;
  /** Finds more tags in the content before it becomes visible. */
  readonly tagger?: Tagger;
  readonly condition?: Condition;
  /**
   * Digests that the client gave, in hexadecimal digits. They are read when the body has ended, as
   * they may follow it. Whether there is an MD5 must be plain at the start: by the property's key.
   */
  readonly digests?: { readonly sha256?: string; readonly md5?: string };
  /**
   * Id of the blob, 32 hexadecimal digits, instead of a random one. Whoever repeats a `put` with the
   * same id, name and content gets the version of the first one, whatever the condition says.
   */
  readonly attempt?: string;
}

/** @throws {FileError} `bad-request` */
export function checkName(name: string): void {
  if (hasControl(name)) {
    throw new FileError("bad-request", "A file's name has no control characters.");
  }
  const bytes = bytesOf(name);
  if (bytes === 0 || bytes > NAME_BYTES_MAX) {
    throw new FileError("bad-request", `A file's name has 1 to ${NAME_BYTES_MAX} bytes.`);
  }
}

/** Refuses what the commit would refuse, before a body is read. @throws {FileError} */
export function checkPut(name: string, options: PutOptions): void {
  checkName(name);
  const { type, owner = "", tags = {}, copies = 1, attempt, size } = options;
  if (bytesOf(type) > TYPE_BYTES_MAX) throw tooLong("type", TYPE_BYTES_MAX);
  if (!/^[\x20-\x7e]*$/.test(type)) {
    throw new FileError("bad-request", "A file's type is a media type.");
  }
  if (hasControl(owner)) {
    throw new FileError("bad-request", "A file's owner has no control characters.");
  }
  if (bytesOf(owner) > OWNER_BYTES_MAX) throw tooLong("owner", OWNER_BYTES_MAX);
  if (bytesOf(JSON.stringify(tags)) > TAGS_BYTES_MAX) throw tooLong("tags", TAGS_BYTES_MAX);
  if (!Number.isInteger(copies) || copies < 1 || copies > FILE_COPIES_MAX) {
    throw new FileError("bad-request", `A file has 1 to ${FILE_COPIES_MAX} copies.`);
  }
  if (attempt !== undefined && !/^[0-9a-f]{32}$/.test(attempt)) {
    throw new FileError("bad-request", "An attempt's id has 32 hexadecimal digits.");
  }
  if (size !== null && !(Number.isSafeInteger(size) && size >= 0)) {
    throw new FileError("bad-request", "A file's size is an integer of at least 0.");
  }
}

/** @throws {FileError} `precondition-failed` */
export function checkCondition(condition: Condition, record: FileRecord | null): void {
  if (condition === "absent") {
    if (record !== null) throw new FileError("precondition-failed", "The file exists already.");
  } else if (record === null) {
    throw new FileError("precondition-failed", "The file does not exist.");
  } else if (condition !== "present" && condition.ifVersion !== record.version) {
    throw new FileError("precondition-failed", `The file has version ${record.version}.`);
  }
}

function hasControl(text: string): boolean {
  // deno-lint-ignore no-control-regex
  return !text.isWellFormed() || /[\u0000-\u001f\u007f]/.test(text);
}

function tooLong(what: string, bytesMax: number): FileError {
  return new FileError("bad-request", `A file's ${what} has at most ${bytesMax} bytes.`);
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}
