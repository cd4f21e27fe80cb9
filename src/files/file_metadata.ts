import type { Arguments } from "../base/byte_string.ts";
import { errorOf, messageOf } from "../base/errors.ts";
import { ErrorReply, type Reply, SimpleString } from "../resp/reply.ts";
import { FileError, type FileErrorCode } from "./file_error.ts";
import {
  bytesIn,
  countIn,
  type Fields,
  fieldsIn,
  itemsIn,
  textIn,
  textsIn,
  UnexpectedReply,
  utf8,
} from "./replies.ts";

/**
 * Sends a command exactly once, and resolves with its reply. An error reply may come as the result
 * or be thrown, as it is or as a `FileError`. After any other error a write's outcome is unknown.
 */
export type SendCommand = (args: Arguments) => Promise<Reply>;

export type Tags = Readonly<Record<string, string | number>>;

/** A visible file, as of one version. */
export interface FileRecord {
  readonly name: string;
  /** It grows with each change of any file: a fencing token. */
  readonly version: number;
  /** In bytes. */
  readonly size: number;
  /** 64 lower-case hexadecimal digits. */
  readonly sha256: string;
  readonly type: string;
  /** The id of its content, which never changes. */
  readonly blob: string;
  readonly copies: number;
  /** The version with which the name was created: `version`, if this write has created it. */
  readonly createdVersion: number;
  /** In milliseconds of the Unix epoch, as are all times. */
  readonly createdMs: number;
  readonly modifiedMs: number;
  readonly owner: string;
  readonly tags: Tags;
  /** The ids of the nodes that hold its content. */
  readonly holders: readonly string[];
}

export interface ListQuery {
  readonly prefix?: string;
  readonly contains?: string;
  /** From the page before. */
  readonly cursor?: string;
  /** Number of files, at most 1,000. */
  readonly count?: number;
  readonly by?: "name" | "size" | "date";
  readonly reverse?: boolean;
}

/** A page of files. With filters it may be empty although more follow. */
export interface FileList {
  readonly files: readonly FileRecord[];
  /** For the next page; `null` at the end. */
  readonly cursor: string | null;
}

const HEALTHS = ["healthy", "moving", "degraded", "lost"] as const;

/** Where a file lies on the ring. */
export interface FilePlace {
  /** 13 hexadecimal digits. */
  readonly id: string;
  /** Empty if no node takes files. */
  readonly responsible: string;
  readonly wanted: readonly string[];
  readonly holders: readonly string[];
  readonly health: (typeof HEALTHS)[number];
}

const STATES = ["up", "out", "draining"] as const;

/** A node of the committed layout. */
export interface FileNode {
  readonly id: string;
  /** Of its files port, as `host:port`. */
  readonly address: string;
  readonly weight: number;
  /** In bytes, as `free`. */
  readonly capacity: number;
  readonly free: number;
  readonly state: (typeof STATES)[number];
  /** Its weight on the ring; 0: it gets no files. */
  readonly ringWeight: number;
  /** Number and size of the blobs that it holds. */
  readonly blobs: number;
  readonly bytes: number;
}

export interface FileNodes {
  /** Changes with the layout. */
  readonly revision: number;
  /** Changes with every change of files and holders. */
  readonly version: number;
  readonly nodes: readonly FileNode[];
}

/** Counts over all files. */
export interface RepairStatus {
  readonly files: number;
  readonly bytes: number;
  readonly blobs: number;
  readonly dead: number;
  /** Copies that are missing. */
  readonly missing: number;
  /** Their sizes together, in bytes; 0 if an older node has answered. */
  readonly missingBytes: number;
  /** Files with fewer copies than they should have. */
  readonly below: number;
  /** Files without any holder that is up. */
  readonly lost: number;
  /** Copies too many. */
  readonly surplus: number;
  readonly nodes: number;
  readonly up: number;
  readonly out: number;
  readonly draining: number;
}

export type Condition = { readonly ifVersion: number } | "absent" | "present";

/** What a commit has made of a file. */
export type CommittedFile = Pick<
  FileRecord,
  "version" | "createdVersion" | "createdMs" | "modifiedMs"
>;

/** What makes a blob visible under a name. */
export interface FileCommit {
  readonly name: string;
  /** 32 lower-case hexadecimal digits. */
  readonly blob: string;
  readonly size: number;
  readonly sha256: string;
  readonly copies: number;
  readonly holders: readonly string[];
  /** The log time after which it is refused. */
  readonly deadlineMs: number;
  readonly type: string;
  readonly owner: string;
  readonly tags: Tags;
  readonly condition: Condition | null;
}

export interface NodeAnnouncement {
  readonly id: string;
  readonly address: string;
  readonly weight: number;
  readonly capacityBytes: number;
  readonly freeBytes: number;
}

const ACTIONS = ["pull", "release", "reap"] as const;

/** Something that a node has to do for a blob. */
export interface WorkItem {
  readonly blob: string;
  readonly action: (typeof ACTIONS)[number];
  readonly size: number;
  readonly sha256: string;
  readonly holders: readonly string[];
}

export interface WorkPage {
  readonly items: readonly WorkItem[];
  /** For the next page; `null` at the end. */
  readonly cursor: string | null;
}

/** What is known of a blob. */
export interface BlobState {
  readonly isDead: boolean;
  readonly size: number;
  readonly sha256: string;
  readonly holders: readonly string[];
}

/** An error reply. Nothing was executed, unless the code is `outcome-unknown`. */
export class RefusedCommand extends FileError {
  override name = "RefusedCommand";
  /** The first word of the reply, such as `FILENODE`. */
  readonly word: string;

  constructor({ text }: ErrorReply) {
    const [, word = "", sentence = ""] = /^(\S+) ?(.*)$/s.exec(text) ?? [];
    super(CODES.get(word) ?? "unavailable", sentence === "" ? text : sentence);
    this.word = word;
  }
}

/** Other words mean that there is no leader, or that a limit is reached. */
const CODES: ReadonlyMap<string, FileErrorCode> = new Map([
  ["UNKNOWN", "outcome-unknown"],
  ["OOM", "insufficient-storage"],
  ["ERR", "bad-request"],
]);

/** Typed client of the `FILE` commands. Methods throw `FileError`s. */
export class FileMetadata {
  readonly #send: SendCommand;

  constructor(send: SendCommand) {
    this.#send = send;
  }

  stat(name: string): Promise<FileRecord | null> {
    return this.#read(["STAT", utf8(name)], (reply) => reply === null ? null : recordIn(reply));
  }

  list(query: ListQuery): Promise<FileList> {
    return this.#read(["LIST", ...listArguments(query)], (reply) => {
      const [cursor, files] = itemsIn(reply);
      return { files: itemsIn(files).map(recordIn), cursor: cursorIn(cursor) };
    });
  }

  where(name: string): Promise<FilePlace | null> {
    return this.#read(["WHERE", utf8(name)], (reply) => {
      if (reply === null) return null;
      const fields = fieldsIn(reply);
      return {
        id: fields.text("id"),
        responsible: fields.value("responsible") === null ? "" : fields.text("responsible"),
        wanted: fields.texts("wanted"),
        holders: fields.texts("holders"),
        health: fields.oneOf("health", HEALTHS),
      };
    });
  }

  nodes(): Promise<FileNodes> {
    return this.#read(["NODES"], (reply) => {
      const fields = fieldsIn(reply);
      return {
        revision: fields.count("revision"),
        version: fields.count("version"),
        nodes: itemsIn(fields.value("nodes")).map((node) => nodeIn(fieldsIn(node))),
      };
    });
  }

  repair(): Promise<RepairStatus> {
    return this.#read(["REPAIR", "STATUS"], (reply) => {
      const fields = fieldsIn(reply);
      return {
        files: fields.count("files"),
        bytes: fields.count("bytes"),
        blobs: fields.count("blobs"),
        dead: fields.count("dead"),
        missing: fields.count("missing"),
        missingBytes: fields.has("missing-bytes") ? fields.count("missing-bytes") : 0,
        below: fields.count("below"),
        lost: fields.count("lost"),
        surplus: fields.count("surplus"),
        nodes: fields.count("nodes"),
        up: fields.count("up"),
        out: fields.count("out"),
        draining: fields.count("draining"),
      };
    });
  }

  /**
   * Makes a blob visible. The same commit again has the same result.
   *
   * @returns `null` if the condition does not hold
   */
  commit(commit: FileCommit): Promise<CommittedFile | null> {
    const { name, blob, size, sha256, copies, holders, deadlineMs, type, owner, tags } = commit;
    const args = [
      "COMMIT",
      utf8(name),
      blob,
      String(size),
      sha256,
      String(copies),
      holders.map(utf8).join(","),
      String(deadlineMs),
      ...(type === "" ? [] : ["TYPE", utf8(type)]),
      ...(owner === "" ? [] : ["OWNER", utf8(owner)]),
      ...(Object.keys(tags).length === 0 ? [] : ["TAGS", utf8(JSON.stringify(tags))]),
      ...conditionArguments(commit.condition),
    ];
    return this.#write(args, (reply) => reply === null ? null : committedIn(reply));
  }

  /** @returns whether there was such a file. @throws {FileError} `precondition-failed` */
  delete(name: string, { ifVersion }: { readonly ifVersion?: number }): Promise<boolean> {
    const condition = ifVersion === undefined ? [] : ["IFVERSION", String(ifVersion)];
    return this.#write(["DELETE", utf8(name), ...condition], (reply) => {
      if (reply !== null) return countIn(reply) === 1;
      throw new FileError("precondition-failed", "The file has another version.");
    });
  }

  /** Records that a node holds blobs. @returns number of copies newly recorded */
  held(node: string, blobs: readonly string[]): Promise<number> {
    return this.#write(["HELD", utf8(node), ...blobs], countIn);
  }

  /** Records that a node does not hold blobs. @returns number of copies taken off */
  lost(node: string, blobs: readonly string[]): Promise<number> {
    return this.#write(["LOST", utf8(node), ...blobs], countIn);
  }

  /** For each blob: whether the node may delete its content. If so, it is no holder any more. */
  release(node: string, blobs: readonly string[]): Promise<readonly boolean[]> {
    return this.#write(
      ["RELEASE", utf8(node), ...blobs],
      (reply) => sameLength(itemsIn(reply), blobs).map((one) => countIn(one) === 1),
    );
  }

  announce(node: NodeAnnouncement): Promise<void> {
    const { id, address, weight, capacityBytes, freeBytes } = node;
    const args = [address, String(weight), String(capacityBytes), String(freeBytes)];
    return this.#write(["NODE", utf8(id), ...args], (reply) => {
      if (!(reply instanceof SimpleString)) throw new UnexpectedReply("Cannot announce a node");
    });
  }

  /** Has others take the place of a node that is silent. @returns whether it was up */
  out(node: string): Promise<boolean> {
    return this.#write(["OUT", utf8(node)], (reply) => countIn(reply) === 1);
  }

  drain(node: string, isOn: boolean): Promise<boolean> {
    const args = isOn ? [utf8(node)] : [utf8(node), "OFF"];
    return this.#write(["DRAIN", ...args], (reply) => countIn(reply) === 1);
  }

  /** Takes a node from the layout, perhaps in several steps. @returns whether it was there */
  forget(node: string): Promise<boolean> {
    return this.#write(["FORGET", utf8(node)], (reply) => countIn(reply) === 1);
  }

  /** @param cursor from the page before; `null` for the first one */
  work(node: string, cursor: string | null, count: number): Promise<WorkPage> {
    const after = cursor === null ? [] : ["AFTER", cursor];
    return this.#read(["WORK", utf8(node), ...after, "COUNT", String(count)], (reply) => {
      const [next, items] = itemsIn(reply);
      return { items: itemsIn(items).map(workIn), cursor: cursorIn(next) };
    });
  }

  /** For each blob its state, `null` if it is unknown. */
  blobs(ids: readonly string[]): Promise<readonly (BlobState | null)[]> {
    return this.#read(["BLOBS", ...ids], (reply) => sameLength(itemsIn(reply), ids).map(blobIn));
  }

  async #read<T>(args: Arguments, parse: (reply: Reply) => T): Promise<T> {
    return await this.#request(args, parse, "unavailable");
  }

  async #write<T>(args: Arguments, parse: (reply: Reply) => T): Promise<T> {
    return await this.#request(args, parse, "outcome-unknown");
  }

  /** @param codeOtherwise of the error if it is not known whether the command was executed */
  async #request<T>(
    args: Arguments,
    parse: (reply: Reply) => T,
    codeOtherwise: FileErrorCode,
  ): Promise<T> {
    let reply: Reply;
    try {
      reply = await this.#send(["FILE", ...args]);
    } catch (error) {
      if (error instanceof ErrorReply) throw new RefusedCommand(error);
      if (error instanceof FileError) throw error;
      throw new FileError(codeOtherwise, messageOf(error), { cause: errorOf(error) });
    }
    if (reply instanceof ErrorReply) throw new RefusedCommand(reply);
    return parse(reply);
  }
}

function listArguments(query: ListQuery): string[] {
  const { prefix = "", contains = "", cursor, count, by, reverse = false } = query;
  return [
    ...(prefix === "" ? [] : ["PREFIX", utf8(prefix)]),
    ...(contains === "" ? [] : ["CONTAINS", utf8(contains)]),
    ...(cursor === undefined ? [] : ["AFTER", cursor]),
    ...(count === undefined ? [] : ["COUNT", String(count)]),
    ...(by === undefined ? [] : ["BY", by]),
    ...(reverse ? ["REV"] : []),
  ];
}

function conditionArguments(condition: Condition | null): string[] {
  if (condition === null) return [];
  if (condition === "absent") return ["IFABSENT"];
  if (condition === "present") return ["IFPRESENT"];
  return ["IFVERSION", String(condition.ifVersion)];
}

/** A cursor is bytes that mean nothing to us, one character for each. */
function cursorIn(reply: Reply | undefined): string | null {
  const cursor = bytesIn(reply);
  return cursor === "" ? null : cursor;
}

function sameLength<T>(items: readonly T[], asked: readonly unknown[]): readonly T[] {
  if (items.length === asked.length) return items;
  throw new UnexpectedReply(`Cannot read a reply: ${items.length} items for ${asked.length}`);
}

function recordIn(reply: Reply): FileRecord {
  const fields = fieldsIn(reply);
  return {
    name: fields.text("name"),
    version: fields.count("version"),
    size: fields.count("size"),
    sha256: fields.text("sha256"),
    type: fields.text("type"),
    blob: fields.text("blob"),
    copies: fields.count("copies"),
    createdVersion: fields.count("created-version"),
    createdMs: fields.count("created-ms"),
    modifiedMs: fields.count("modified-ms"),
    owner: fields.text("owner"),
    tags: tagsIn(fields),
    holders: fields.texts("holders"),
  };
}

function tagsIn(fields: Fields): Tags {
  const text = fields.text("tags");
  return text === "" ? {} : JSON.parse(text);
}

function nodeIn(fields: Fields): FileNode {
  return {
    id: fields.text("id"),
    address: fields.text("address"),
    weight: fields.decimal("weight"),
    capacity: fields.count("capacity"),
    free: fields.count("free"),
    state: fields.oneOf("state", STATES),
    ringWeight: fields.decimal("ring-weight"),
    blobs: fields.count("blobs"),
    bytes: fields.count("bytes"),
  };
}

function workIn(reply: Reply): WorkItem {
  const [blob, word, size, sha256, holders] = itemsIn(reply);
  const action = ACTIONS.find((one) => one === textIn(word));
  if (action === undefined) throw new UnexpectedReply(`Cannot do ${textIn(word)}`);
  return {
    blob: textIn(blob),
    action,
    size: countIn(size),
    sha256: textIn(sha256),
    holders: textsIn(holders),
  };
}

function blobIn(reply: Reply): BlobState | null {
  if (reply === null) return null;
  const [state, size, sha256, holders] = itemsIn(reply);
  return {
    isDead: textIn(state) === "dead",
    size: countIn(size),
    sha256: textIn(sha256),
    holders: textsIn(holders),
  };
}

function committedIn(reply: Reply): CommittedFile {
  const [version, createdVersion, createdMs, modifiedMs] = itemsIn(reply);
  return {
    version: countIn(version),
    createdVersion: countIn(createdVersion),
    createdMs: countIn(createdMs),
    modifiedMs: countIn(modifiedMs),
  };
}
