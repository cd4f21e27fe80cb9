import type { FileView, SizePlace } from "../store/file_index.ts";
import type { FileRecord } from "../store/file_record.ts";
import { parseTags, utf8TextOf } from "../store/file_rules.ts";
import type { SortedTree } from "../store/sorted_tree.ts";
import { cursorOf, type ListRequest } from "./file_arguments.ts";

/** Number of files that one request looks at, if not all of them are wanted. */
const FILES_MAX = 4_096;
/** Number of bytes of names and tags that one request compares with a text. */
const COMPARED_BYTES_MAX = 1024 * 1024;
/** Size of a page in bytes from which on it gets no further files. */
const PAGE_BYTES_MAX = 2 * 1024 * 1024;
/** Bytes of a file in a page beside its texts. */
const RECORD_BYTES = 500;
const FILES_PER_STEP = 256;
const COMPARED_BYTES_PER_STEP = 32 * 1024;

/** A page of files, and where the next one begins. */
export interface FilePage {
  /** Empty: there is no next page. */
  readonly cursor: string;
  readonly files: readonly FileRecord[];
}

/**
 * Finds the next page of files. Looks at a bounded number of them, so that a page may have few
 * files or none although more follow.
 */
export function* listFiles(view: FileView, request: ListRequest): Generator<void, FilePage> {
  const { prefix, contains, count, by } = request;
  const files: FileRecord[] = [];
  let looked = 0;
  let bytes = 0;
  let compared = 0;
  let comparedInStep = 0;
  let last: FileRecord | null = null;
  for (const file of filesFrom(view, request)) {
    if (by === "name" && !file.name.startsWith(prefix)) break;
    const isFull = files.length >= count || bytes >= PAGE_BYTES_MAX ||
      looked >= FILES_MAX || compared >= COMPARED_BYTES_MAX;
    if (isFull && last !== null) return { cursor: cursorOf(last, by), files };
    last = file;
    const texts = file.name.length + file.tags.length;
    if (file.name.startsWith(prefix)) {
      if (contains !== "") {
        compared += texts;
        comparedInStep += texts;
      }
      if (contains === "" || containsText(file, contains)) {
        files.push(file);
        bytes += texts + RECORD_BYTES;
      }
    }
    if (++looked % FILES_PER_STEP === 0 || comparedInStep >= COMPARED_BYTES_PER_STEP) {
      comparedInStep = 0;
      yield;
    }
  }
  return { cursor: "", files };
}

/** Whether a text in lower case is in the name or in a tag. */
function containsText({ name, tags }: FileRecord, text: string): boolean {
  if ((utf8TextOf(name) ?? name).toLowerCase().includes(text)) return true;
  return Object.values(parseTags(tags) ?? {})
    .some((value) => String(value).toLowerCase().includes(text));
}

/** All files after the cursor, or from the first one that can be wanted. */
function filesFrom(view: FileView, request: ListRequest): Iterable<FileRecord> {
  const { by, after, prefix, isReverse } = request;
  switch (by) {
    case "name": {
      if (isReverse) return valuesBelow(view.byName, after?.name ?? endOf(prefix));
      const from = after === null || after.name < prefix ? prefix : after.name;
      return valuesFrom(view.byName, from, after?.name);
    }
    case "size":
      return isReverse
        ? valuesBelow<SizePlace>(view.bySize, after)
        : valuesFrom<SizePlace>(view.bySize, after ?? undefined, after ?? undefined);
    case "date":
      return isReverse
        ? valuesBelow(view.byVersion, after?.version ?? null)
        : valuesFrom(view.byVersion, after?.version, after?.version);
  }
}

/** @param after is skipped itself, if it is the first one */
function* valuesFrom<K>(
  tree: SortedTree<K, FileRecord>,
  from: K | undefined,
  after: K | undefined,
): Generator<FileRecord, void> {
  const skipped = after === undefined ? undefined : tree.get(after);
  for (const file of tree.values(from)) if (file !== skipped) yield file;
}

/** @param end `null`: from the last one */
function* valuesBelow<K>(
  tree: SortedTree<K, FileRecord>,
  end: K | null,
): Generator<FileRecord, void> {
  if (tree.isEmpty) return;
  for (const [, file] of tree.entriesReversed(end ?? undefined, undefined, true)) yield file;
}

/** The first byte string after all that begin with a prefix; `null` if there is none. */
function endOf(prefix: string): string | null {
  const kept = prefix.replace(/\xff+$/, "");
  if (kept === "") return null;
  return kept.slice(0, -1) + String.fromCharCode(kept.charCodeAt(kept.length - 1) + 1);
}
