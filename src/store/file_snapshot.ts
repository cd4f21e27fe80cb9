import { FileIndex, type FileView } from "./file_index.ts";
import type { FileNode } from "./file_layout.ts";
import type { FileBlob } from "./file_record.ts";
import {
  FILE_COPIES_MAX,
  FILE_NODES_MAX,
  isBlobId,
  isFileName,
  isFileOwner,
  isFileType,
  isNodeAddress,
  isNodeId,
  isSha256,
  parseTags,
  parseWeight,
} from "./file_rules.ts";
import {
  integerField,
  lengthOf,
  type SnapshotItem,
  textField,
  wrongItem,
} from "./snapshot_items.ts";

/** The items of all files, as JSON. There are none while the index is as new. */
export function* encodeFiles(
  { version, layout, byName, blobs }: FileView,
): Generator<string, void> {
  const { nodes, revision } = layout;
  if (version === 0 && revision === 0) return;
  yield JSON.stringify([
    "files",
    version,
    revision,
    nodes.length,
    byName.size,
    blobs.size - byName.size,
  ]);
  for (const { id, address, weight, capacityBytes, freeBytes, isOut, isDraining } of nodes) {
    const flags = [isOut ? 1 : 0, isDraining ? 1 : 0];
    const numbers = [String(weight), capacityBytes, freeBytes, ...flags];
    yield JSON.stringify(["filenode", id, address, ...numbers]);
  }
  for (const { id, size, sha256, holders, file } of blobs.values()) {
    if (file === null) {
      yield JSON.stringify(["dead", id, size, sha256, ...holders]);
      continue;
    }
    const { name, version, createdVersion, copies, createdMs, modifiedMs, type, owner, tags } =
      file;
    const fields = [
      name,
      version,
      createdVersion,
      copies,
      createdMs,
      modifiedMs,
      type,
      owner,
      tags,
    ];
    yield JSON.stringify(["file", id, size, sha256, ...fields, ...holders]);
  }
}

/** Number of fields of a file before its holders. */
const FILE_FIELDS = 13;
/** Number of fields of a dead blob before its holders. */
const DEAD_FIELDS = 4;

/** What the first item says. */
interface AnnouncedFiles {
  readonly version: number;
  readonly revision: number;
  readonly nodes: number;
  readonly files: number;
  readonly dead: number;
}

const NO_FILES: AnnouncedFiles = { version: 0, revision: 0, nodes: 0, files: 0, dead: 0 };

/** Builds the files of a state from the items of a snapshot, in order. */
export class FileLoader {
  readonly index = new FileIndex();
  readonly #nodes: FileNode[] = [];
  #announced = NO_FILES;
  #hasLayout = false;
  #dead = 0;
  #blobId = "";

  /** Whether the first item was taken. */
  get hasBegun(): boolean {
    return this.#announced !== NO_FILES;
  }

  /**
   * Takes the first item.
   *
   * @throws {SnapshotFormatError} as do all methods
   */
  begin(item: SnapshotItem): void {
    lengthOf(item, 6, 6);
    if (this.hasBegun) throw wrongItem(item, "it is there already");
    const announced = {
      version: integerField(item, 1, 0),
      revision: integerField(item, 2, 0),
      nodes: integerField(item, 3, 0, FILE_NODES_MAX),
      files: integerField(item, 4, 0),
      dead: integerField(item, 5, 0),
    };
    if (announced.version === 0 && announced.revision === 0) {
      throw wrongItem(item, "there are no files");
    }
    this.#announced = announced;
    this.index.restore(announced.version);
    this.#closeNodes();
  }

  take(item: SnapshotItem): void {
    if (!this.hasBegun) throw wrongItem(item, "its kind is not due");
    switch (item[0]) {
      case "filenode":
        return this.#takeNode(item);
      case "file":
        return this.#takeFile(item);
      default:
        return this.#takeDead(item);
    }
  }

  /** Checks that everything was there. */
  finish(item: SnapshotItem): void {
    const { nodes, files, dead } = this.#announced;
    if (this.#nodes.length !== nodes) throw wrongItem(item, "nodes for files are missing");
    if (this.index.size !== files) throw wrongItem(item, "files are missing");
    if (this.#dead !== dead) throw wrongItem(item, "dead blobs are missing");
  }

  #takeNode(item: SnapshotItem): void {
    lengthOf(item, 8, 8);
    if (this.#hasLayout) throw wrongItem(item, "there are too many");
    const id = checkedField(item, 1, isNodeId);
    if (id <= (this.#nodes.at(-1)?.id ?? "")) throw wrongItem(item, "it is out of order");
    const weight = parseWeight(textField(item, 3));
    if (weight === null || String(weight) !== item[3]) throw wrongItem(item, "field 3 is wrong");
    this.#nodes.push({
      id,
      address: checkedField(item, 2, isNodeAddress),
      weight,
      capacityBytes: integerField(item, 4, 0),
      freeBytes: integerField(item, 5, 0),
      isOut: integerField(item, 6, 0, 1) === 1,
      isDraining: integerField(item, 7, 0, 1) === 1,
    });
    this.#closeNodes();
  }

  /** The layout decides where copies belong, so that it is complete before any file comes. */
  #closeNodes(): void {
    if (this.#nodes.length < this.#announced.nodes) return;
    this.#hasLayout = true;
    this.index.restoreLayout(this.#nodes, this.#announced.revision);
  }

  #takeFile(item: SnapshotItem): void {
    lengthOf(item, FILE_FIELDS, FILE_FIELDS + FILE_NODES_MAX);
    const { version: versionMax, files } = this.#announced;
    if (this.index.size >= files) throw wrongItem(item, "there are too many");
    const { id: blob, size, sha256, holders } = this.#takeBlob(item, FILE_FIELDS);
    const name = checkedField(item, 4, isFileName);
    if (this.index.find(name) !== undefined) throw wrongItem(item, "its name is there already");
    const version = integerField(item, 5, 1, versionMax);
    if (this.index.hasVersion(version)) throw wrongItem(item, "its version is there already");
    const modifiedMs = integerField(item, 9, 0);
    const file = {
      name,
      blob,
      size,
      sha256,
      copies: integerField(item, 7, 1, FILE_COPIES_MAX),
      type: checkedField(item, 10, isFileType),
      owner: checkedField(item, 11, isFileOwner),
      tags: checkedField(item, 12, (tags) => parseTags(tags) !== null),
      version,
      createdVersion: integerField(item, 6, 1, version),
      createdMs: integerField(item, 8, 0, modifiedMs),
      modifiedMs,
    };
    this.index.restoreFile(file, holders);
  }

  #takeDead(item: SnapshotItem): void {
    lengthOf(item, DEAD_FIELDS + 1, DEAD_FIELDS + FILE_NODES_MAX);
    if (this.#dead >= this.#announced.dead) throw wrongItem(item, "there are too many");
    this.index.restoreDead(this.#takeBlob(item, DEAD_FIELDS));
    this.#dead++;
  }

  /** The content in an item, whose holders begin at a field. */
  #takeBlob(item: SnapshotItem, holdersAt: number): Omit<FileBlob, "file"> {
    if (!this.#hasLayout) throw wrongItem(item, "nodes for files are missing");
    const id = checkedField(item, 1, isBlobId);
    if (id <= this.#blobId) throw wrongItem(item, "it is out of order");
    this.#blobId = id;
    const size = integerField(item, 2, 0, Number.MAX_SAFE_INTEGER - this.index.blobBytes);
    const sha256 = checkedField(item, 3, isSha256);
    const holders: string[] = [];
    for (let field = holdersAt; field < item.length; field++) {
      const holder = textField(item, field);
      const isNode = this.index.layout.find(holder) !== undefined;
      if (!isNode || holder <= (holders.at(-1) ?? "")) {
        throw wrongItem(item, `field ${field} is wrong`);
      }
      holders.push(holder);
    }
    return { id, size, sha256, holders };
  }
}

function checkedField(
  item: SnapshotItem,
  index: number,
  isValid: (text: string) => boolean,
): string {
  const text = textField(item, index);
  if (!isValid(text)) throw wrongItem(item, `field ${index} is wrong`);
  return text;
}
