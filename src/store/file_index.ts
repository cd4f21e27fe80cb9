import { ringId } from "../ring/ring_id.ts";
import { FileTotals, FileTotalsKeeper, mayRelease } from "./file_health.ts";
import { FileLayout, type FileNode } from "./file_layout.ts";
import type { FileBlob, FileDescription, FileRecord } from "./file_record.ts";
import { utf8TextOf } from "./file_rules.ts";
import { compareBytes, type SortedTree, sortedTree } from "./sorted_tree.ts";

/** Estimated memory of a blob, and of the record of a visible file beside its texts, in bytes. */
const BLOB_BYTES = 300;
const RECORD_BYTES = 250;
const HOLDER_BYTES = 16;
const NODE_BYTES = 500;

/** Number of different lists of holders that are shared by all blobs that have them. */
const SHARED_LISTS_MAX = 10_000;

/** The place of a file in the order by size. */
export type SizePlace = Pick<FileRecord, "size" | "name">;

/** What a node holds: the copies of visible files, and those that it has to delete. */
export interface HeldCopies {
  readonly blobs: number;
  readonly bytes: number;
}

const NONE_HELD: HeldCopies = { blobs: 0, bytes: 0 };

/** All files as they were at one moment, while writes go on. Takes hardly any time to make. */
export interface FileView {
  /** The number of writes and deletions of files so far. */
  readonly version: number;
  readonly layout: FileLayout;
  readonly byName: SortedTree<string, FileRecord>;
  readonly bySize: SortedTree<SizePlace, FileRecord>;
  /** In the order of the last changes. */
  readonly byVersion: SortedTree<number, FileRecord>;
  readonly blobs: SortedTree<string, FileBlob>;
  /** Whether every copy is known to be where it belongs. */
  readonly isSettled: boolean;
}

function compareSizes(one: SizePlace, other: SizePlace): number {
  return one.size - other.size || compareBytes(one.name, other.name);
}

/**
 * The files of the cluster: what they are called, what is known about them, which nodes hold their
 * contents, and which nodes there are. A part of the replicated state: equal calls in equal order
 * give equal states.
 *
 * A content has an id that is never used again. A blob is *live* while a file has it, and *dead*
 * when the file is deleted or replaced, until every holder has reported that it is gone. A node
 * may delete a live content only after `release` has taken it off the holders.
 */
export class FileIndex {
  #version = 0;
  #layout = FileLayout.EMPTY;
  readonly #byName = sortedTree<string, FileRecord>(compareBytes);
  readonly #bySize = sortedTree<SizePlace, FileRecord>(compareSizes);
  readonly #byVersion = sortedTree<number, FileRecord>((one, other) => one - other);
  readonly #blobs = sortedTree<string, FileBlob>(compareBytes);
  readonly #totals = new FileTotalsKeeper();
  readonly #held = new Map<string, HeldCopies>();
  readonly #holderLists = new Map<string, readonly string[]>();
  #blobBytes = 0;
  #usedBytes = 0;

  /** Number of visible files. */
  get size(): number {
    return this.#byName.size;
  }

  /** The version of the last write or deletion of a file; 0 before the first. */
  get version(): number {
    return this.#version;
  }

  get layout(): FileLayout {
    return this.#layout;
  }

  /** Sum of the sizes of all blobs, each counted once. */
  get blobBytes(): number {
    return this.#blobBytes;
  }

  /** Estimated memory, in bytes. It depends on the content alone. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  find(name: string): FileRecord | undefined {
    return this.#byName.get(name);
  }

  findBlob(id: string): FileBlob | undefined {
    return this.#blobs.get(id);
  }

  heldBy(node: string): HeldCopies {
    return this.#held.get(node) ?? NONE_HELD;
  }

  view(): FileView {
    return {
      version: this.#version,
      layout: this.#layout,
      byName: this.#byName.clone(),
      bySize: this.#bySize.clone(),
      byVersion: this.#byVersion.clone(),
      blobs: this.#blobs.clone(),
      isSettled: this.#totals.known?.isSettled ?? false,
    };
  }

  /** The totals of all blobs, counted in steps if they are not known. */
  *totals(stepBlobs: number): Generator<void, FileTotals> {
    const { known } = this.#totals;
    if (known !== null) {
      const copy = new FileTotals();
      copy.addAll(known);
      return copy;
    }
    const { placement } = this.#layout;
    return yield* this.#totals.count(this.#blobs.clone().values(), placement, stepBlobs);
  }

  /**
   * Makes a file visible, whose blob does not exist yet. An earlier content of that name is dead.
   *
   * @param holders the nodes that hold the content
   * @returns its version
   */
  commit(file: FileDescription, holders: readonly string[], nowMs: number): FileRecord {
    const before = this.find(file.name);
    if (before !== undefined) this.#bury(before);
    const version = ++this.#version;
    const record: FileRecord = {
      ...file,
      version,
      createdVersion: before?.createdVersion ?? version,
      createdMs: before?.createdMs ?? nowMs,
      modifiedMs: nowMs,
      ringId: ringIdOf(file.name),
    };
    this.#addLive(record, holders);
    return record;
  }

  /** Deletes a file. Returns whether there was one. */
  delete(name: string): boolean {
    const record = this.find(name);
    if (record === undefined) return false;
    this.#bury(record);
    this.#version++;
    return true;
  }

  /** Records that a node holds a blob. Returns whether that is new; an unknown blob is not. */
  hold(node: string, id: string): boolean {
    const blob = this.#blobs.get(id);
    if (blob === undefined || blob.holders.includes(node)) return false;
    this.#replace(blob, { ...blob, holders: this.#listOf([...blob.holders, node]) });
    return true;
  }

  /** Records that a node does not hold a blob any more. Returns whether it was a holder. */
  lose(node: string, id: string): boolean {
    const blob = this.#blobs.get(id);
    if (blob === undefined || !blob.holders.includes(node)) return false;
    const holders = this.#listOf(blob.holders.filter((holder) => holder !== node));
    const isForgotten = blob.file === null && holders.length === 0;
    this.#replace(blob, isForgotten ? null : { ...blob, holders });
    return true;
  }

  /** Whether a node may delete a content. If so, it is no holder any more. */
  release(node: string, id: string): boolean {
    const blob = this.#blobs.get(id);
    if (blob === undefined) return true;
    if (!mayRelease(node, blob, this.#layout.placement)) return false;
    this.lose(node, id);
    return true;
  }

  /** Adds a node, or replaces what is known about it. */
  setNode(node: FileNode): void {
    const before = this.#layout.find(node.id);
    this.#usedBytes += nodeBytes(node) - (before === undefined ? 0 : nodeBytes(before));
    this.#setLayout(this.#layout.with(node));
  }

  /**
   * Takes a node from the layout. Its copies are to be taken off with `loseSome` right after.
   *
   * @returns whether it was there
   */
  removeNode(id: string): boolean {
    const before = this.#layout.find(id);
    if (before === undefined) return false;
    this.#usedBytes -= nodeBytes(before);
    this.#setLayout(this.#layout.without(id));
    return true;
  }

  /**
   * Takes a node off the holders of the next `count` blobs after one.
   *
   * @param after "" before the first
   * @returns the last blob looked at; `null` if there are no more
   */
  loseSome(node: string, after: string, count: number): string | null {
    const ids: string[] = [];
    for (const id of this.#blobs.keys(after)) {
      if (id !== after && ids.push(id) >= count) break;
    }
    for (const id of ids) this.lose(node, id);
    return ids.length < count ? null : ids.at(-1) ?? null;
  }

  /** Restores the counters of a snapshot. To be called before anything else is restored. */
  restore(version: number): void {
    this.#version = version;
  }

  restoreLayout(nodes: readonly FileNode[], revision: number): void {
    for (const node of nodes) this.#usedBytes += nodeBytes(node);
    this.#setLayout(new FileLayout(nodes, revision));
  }

  restoreFile(file: Omit<FileRecord, "ringId">, holders: readonly string[]): void {
    this.#addLive({ ...file, ringId: ringIdOf(file.name) }, holders);
  }

  restoreDead(blob: Omit<FileBlob, "file">): void {
    this.#replace(null, { ...blob, holders: this.#listOf(blob.holders), file: null });
  }

  /** Whether a file has that version. */
  hasVersion(version: number): boolean {
    return this.#byVersion.has(version);
  }

  #setLayout(layout: FileLayout): void {
    const isSame = layout.placement === this.#layout.placement;
    this.#layout = layout;
    if (!isSame) this.#totals.reset(this.#blobs.isEmpty);
  }

  #addLive(file: FileRecord, holders: readonly string[]): void {
    this.#byName.set(file.name, file);
    this.#bySize.set(file, file);
    this.#byVersion.set(file.version, file);
    const { blob: id, size, sha256 } = file;
    this.#replace(null, { id, size, sha256, holders: this.#listOf(holders), file });
  }

  /** Takes a file away. Its blob is dead, or forgotten if nobody holds it. */
  #bury(file: FileRecord): void {
    this.#byName.delete(file.name);
    this.#bySize.delete(file);
    this.#byVersion.delete(file.version);
    const blob = this.#blobs.get(file.blob);
    if (blob === undefined) return;
    this.#replace(blob, blob.holders.length === 0 ? null : { ...blob, file: null });
  }

  /** All changes of blobs. @param before `null` if it is new @param after `null` if it goes */
  #replace(before: FileBlob | null, after: FileBlob | null): void {
    if (after !== null) this.#blobs.set(after.id, after);
    else if (before !== null) this.#blobs.delete(before.id);
    this.#totals.change(before, after, this.#layout.placement);
    if (before !== null) this.#account(before, -1);
    if (after !== null) this.#account(after, 1);
  }

  #account(blob: FileBlob, sign: 1 | -1): void {
    this.#usedBytes += sign * bytesOf(blob);
    this.#blobBytes += sign * blob.size;
    for (const id of blob.holders) {
      const { blobs, bytes } = this.heldBy(id);
      if (blobs + sign === 0) this.#held.delete(id);
      else this.#held.set(id, { blobs: blobs + sign, bytes: bytes + sign * blob.size });
    }
  }

  /** The list of these holders, in order, which many blobs share. */
  #listOf(holders: readonly string[]): readonly string[] {
    const sorted = holders.toSorted(compareBytes);
    const key = sorted.join();
    const shared = this.#holderLists.get(key);
    if (shared !== undefined) return shared;
    if (this.#holderLists.size >= SHARED_LISTS_MAX) this.#holderLists.clear();
    this.#holderLists.set(key, sorted);
    return sorted;
  }
}

/** The place of a file on the ring. */
function ringIdOf(name: string): number {
  return ringId(`file ${utf8TextOf(name) ?? name}`);
}

function bytesOf({ holders, file }: FileBlob): number {
  const bytes = BLOB_BYTES + HOLDER_BYTES * holders.length;
  if (file === null) return bytes;
  const { name, type, owner, tags } = file;
  return bytes + RECORD_BYTES + name.length + type.length + owner.length + tags.length;
}

function nodeBytes({ id, address }: FileNode): number {
  return NODE_BYTES + id.length + address.length;
}
