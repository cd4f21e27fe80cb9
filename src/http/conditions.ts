import type { FileRecord, PutOptions } from "../files/files.ts";
import { Problem } from "./problem.ts";
import { wholeNumberOf } from "./whole_number.ts";

/** An entity tag (RFC 9110, section 8.8.3). */
export interface EntityTag {
  readonly isWeak: boolean;
  /** With its quotes. */
  readonly tag: string;
}

/** The entity tag of a version of a file. */
export function tagOf({ version }: Pick<FileRecord, "version">): string {
  return `"${version}"`;
}

const ENTITY_TAG = /^(W\/)?("[\x21\x23-\x7e\x80-\xff]*")$/;
/** Maximum number of entity tags in one header. */
const TAGS_MAX = 64;

/**
 * The tags of `If-Match` or `If-None-Match`.
 *
 * @returns `*`, or at least one tag
 * @throws {Problem} when it is neither `*` nor a list of entity tags
 */
export function tagsOf(header: string): "*" | readonly EntityTag[] {
  if (header.trim() === "*") return "*";
  // A tag may contain commas, but no quotes.
  const parts = header.match(/(W\/)?"[^"]*"|[^,\s]+/g) ?? [];
  const tags = parts.map((part) => {
    const [, weak, tag] = ENTITY_TAG.exec(part) ?? [];
    if (tag === undefined) throw notTags();
    return { isWeak: weak !== undefined, tag };
  });
  const isList = /^\s*(,\s*)*((W\/)?"[^"]*"\s*(,\s*|$))+$/.test(header.slice(0, 8_192));
  if (tags.length === 0 || tags.length > TAGS_MAX || !isList) throw notTags();
  return tags;
}

function notTags(): Problem {
  return new Problem(
    "bad-request",
    'If-Match and If-None-Match take * or versions in quotes, such as "12".',
  );
}

/** Seconds since the epoch; `null` if it is no date of HTTP. */
export function secondsOfDate(header: string): number | null {
  if (!/^[A-Z][a-z]{2,8}(, | )[\w: -]{15,25}( GMT)?$/.test(header.trim())) return null;
  const ms = Date.parse(header);
  return Number.isNaN(ms) ? null : Math.floor(ms / 1000);
}

/** What the conditions of a `GET` or `HEAD` say of a file that exists. */
export type ReadVerdict = "send" | "not-modified" | "failed";

/**
 * Evaluates the conditions of a `GET` or `HEAD` in the order of RFC 9110, section 13.2.2.
 *
 * @throws {Problem} when an entity tag is malformed
 */
export function verdictOf(
  headers: Headers,
  record: Pick<FileRecord, "version" | "modifiedMs">,
): ReadVerdict {
  const modifiedS = Math.floor(record.modifiedMs / 1000);
  const own = tagOf(record);
  const match = headers.get("if-match");
  const unmodifiedSince = headers.get("if-unmodified-since");
  if (match !== null) {
    const tags = tagsOf(match);
    if (tags !== "*" && !tags.some(({ isWeak, tag }) => !isWeak && tag === own)) return "failed";
  } else if (unmodifiedSince !== null) {
    const seconds = secondsOfDate(unmodifiedSince);
    if (seconds !== null && modifiedS > seconds) return "failed";
  }
  const noneMatch = headers.get("if-none-match");
  const modifiedSince = headers.get("if-modified-since");
  if (noneMatch !== null) {
    const tags = tagsOf(noneMatch);
    if (tags === "*" || tags.some(({ tag }) => tag === own)) return "not-modified";
  } else if (modifiedSince !== null) {
    const seconds = secondsOfDate(modifiedSince);
    if (seconds !== null && modifiedS <= seconds) return "not-modified";
  }
  return "send";
}

/**
 * Time in milliseconds after which a file's date is its own: two versions within one second have the
 * same date.
 */
const DATE_MS = 60_000;

/** Whether `If-Range` lets a range be sent. @param nowMs wall clock */
export function keepsRange(
  header: string | null,
  record: Pick<FileRecord, "version" | "modifiedMs">,
  nowMs: number,
): boolean {
  if (header === null) return true;
  if (header.trim() === tagOf(record)) return true;
  return secondsOfDate(header) === Math.floor(record.modifiedMs / 1000) &&
    nowMs - record.modifiedMs >= DATE_MS;
}

/**
 * The condition of a write: `If-None-Match: *`, `If-Match: *` or `If-Match: "<version>"`.
 *
 * @throws {Problem} when it is another one, or can never hold
 */
export function writeConditionOf(headers: Headers): NonNullable<PutOptions["condition"]> | null {
  const noneMatch = headers.get("if-none-match");
  const match = headers.get("if-match");
  if (noneMatch !== null && match !== null) {
    throw new Problem("bad-request", "If-Match and If-None-Match exclude each other.");
  }
  if (noneMatch !== null) {
    if (noneMatch.trim() === "*") return "absent";
    throw new Problem("bad-request", "For a write, If-None-Match only takes *.");
  }
  if (match === null) return null;
  const tags = tagsOf(match);
  if (tags === "*") return "present";
  const [first] = tags;
  if (first === undefined || tags.length > 1) {
    throw new Problem("bad-request", "For a write, If-Match takes * or one version.");
  }
  const ifVersion = first.isWeak ? null : wholeNumberOf(first.tag.slice(1, -1));
  if (ifVersion === null) throw new Problem("precondition-failed", "No version has such a tag.");
  return { ifVersion };
}
