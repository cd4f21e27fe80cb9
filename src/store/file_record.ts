import type { RingId } from "../ring/ring_id.ts";

/** What a client says about a file's content and itself. */
export interface FileDescription {
  /** UTF-8. */
  readonly name: string;
  /** The id of the content, which no other attempt to write has. */
  readonly blob: string;
  /** Size in bytes. */
  readonly size: number;
  /** SHA-256 of the content, 64 hexadecimal digits. */
  readonly sha256: string;
  /** Number of copies that it should have. */
  readonly copies: number;
  /** Media type; empty if unknown. */
  readonly type: string;
  /** UTF-8; empty if unknown. */
  readonly owner: string;
  /** A JSON object of strings and numbers, in UTF-8. */
  readonly tags: string;
}

/** A visible file. Never changes: overwriting makes a new record. */
export interface FileRecord extends FileDescription {
  /** Grows from one write of any file to the next. */
  readonly version: number;
  /** The version with which this name was first written since it was last deleted. */
  readonly createdVersion: number;
  /** When this name was first written since it was last deleted, in milliseconds of log time. */
  readonly createdMs: number;
  readonly modifiedMs: number;
  readonly ringId: RingId;
}

/** A content and which nodes hold it. Never changes: a change is a new object. */
export interface FileBlob {
  readonly id: string;
  readonly size: number;
  readonly sha256: string;
  /** The nodes that have confirmed that they hold it, in the order of their ids. */
  readonly holders: readonly string[];
  /** The file whose content it is; `null` once that is deleted or replaced: then it is *dead*. */
  readonly file: FileRecord | null;
}

export type LiveBlob = FileBlob & { readonly file: FileRecord };
