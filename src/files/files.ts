import type { BodySource } from "../platform/http_listener.ts";

/** What the cluster knows of one version of a file. */
export interface FileRecord {
  readonly name: string;
  /** A number that only grows in the whole cluster: a fencing token. */
  readonly version: number;
  /** Bytes. */
  readonly size: number;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
  /** A media type. */
  readonly type: string;
  /** Id of the content: 32 hexadecimal digits. */
  readonly blob: string;
  /** Number of copies that are wanted. */
  readonly copies: number;
  readonly createdMs: number;
  readonly modifiedMs: number;
  readonly owner: string;
  readonly tags: Readonly<Record<string, string | number>>;
  /** Nodes that have confirmed their copy. */
  readonly holders: readonly string[];
}

/** Which files to list, and in which order. */
export interface ListQuery {
  readonly prefix?: string;
  /** A text in the name or the tags, in any case. */
  readonly contains?: string;
  /** The one of the page before. */
  readonly cursor?: string;
  readonly count?: number;
  /** @default name */
  readonly by?: "name" | "size" | "date";
  readonly reverse?: boolean;
}

export interface PutOptions {
  /** Bytes of the body; `null` if they are not known. */
  readonly size: number | null;
  readonly type: string;
  readonly copies?: number;
  readonly owner?: string;
  readonly tags?: Readonly<Record<string, string | number>>;
  readonly condition?: { readonly ifVersion: number } | "absent" | "present";
  /** Digests that the client gave, in hexadecimal digits. They are compared before the commit. */
  readonly digests?: { readonly sha256?: string; readonly md5?: string };
  /**
   * Id of the blob, 32 hexadecimal digits, instead of a random one. Whoever repeats a `put` with the
   * same id, name and content gets the version of the first one, whatever the condition says.
   */
  readonly attempt?: string;
}

/** Where a file is, and where it should be. */
export interface FilePlace {
  /** Its position on the ring: 13 hexadecimal digits. */
  readonly id: string;
  readonly responsible: string;
  readonly wanted: readonly string[];
  readonly holders: readonly string[];
  readonly health: "healthy" | "moving" | "degraded" | "lost";
}

/** A node that holds files. */
export interface FileNode {
  readonly id: string;
  readonly address: string;
  readonly weight: number;
  readonly capacity: number;
  readonly free: number;
  readonly state: "up" | "out" | "draining";
  readonly ringWeight: number;
  readonly blobs: number;
  readonly bytes: number;
}

export interface FileNodes {
  /** Changes whenever the layout does. */
  readonly revision: number;
  readonly version: number;
  readonly nodes: readonly FileNode[];
}

/** What there is to repair. */
export interface RepairStatus {
  readonly files: number;
  readonly bytes: number;
  readonly blobs: number;
  readonly dead: number;
  /** Copies. */
  readonly missing: number;
  /** Files that have fewer copies than they should. */
  readonly below: number;
  /** Files without any holder that is up. */
  readonly lost: number;
  /** Copies. */
  readonly surplus: number;
  readonly nodes: number;
  readonly up: number;
  readonly out: number;
  readonly draining: number;
}

/** All that can be done with files. Errors are `FileError`s. */
export interface FilesService {
  stat(name: string): Promise<FileRecord | null>;
  list(
    query: ListQuery,
  ): Promise<{ readonly files: readonly FileRecord[]; readonly cursor: string | null }>;
  /** Streams the body to the holders, and commits. */
  put(name: string, body: BodySource, options: PutOptions): Promise<FileRecord>;
  /**
   * The bytes from `from` up to, but not including, `to` of the record's content. Goes on from
   * another holder when one dies. Every chunk is verified.
   */
  read(
    record: FileRecord,
    from: number,
    to: number,
    signal?: AbortSignal,
  ): AsyncIterable<Uint8Array>;
  /** @returns false when there is no such file */
  delete(name: string, condition: { readonly ifVersion?: number }): Promise<boolean>;
  where(name: string): Promise<FilePlace | null>;
  nodes(): Promise<FileNodes>;
  repair(): Promise<RepairStatus>;
}
