import type { Mutant } from "../mutant.ts";

const STORE = "src/files/blob_store_test.ts";
const STAGED = "src/files/staged_blob_test.ts";
const PEERS = "src/files/blob_peers_test.ts";
const UPLOAD = "src/files/upload_test.ts";
const SERVER = "src/platform/http_server_test.ts";

/** Contents of files on disk and between nodes. */
export const blobMutants: readonly Mutant[] = [
  {
    name: "blob-damage-served",
    bug: "the bytes of a damaged chunk are given out before the error",
    file: "src/files/blob_reader.ts",
    find: "return wrong < 0 ? piece.length : wrong * CHUNK_BYTES;",
    replace:
      "return wrong < 0 ? piece.length : Math.min(piece.length - 1, (wrong + 1) * CHUNK_BYTES);",
    killers: [STORE],
  },
  {
    name: "blob-visible-before-sync",
    bug: "a blob counts as stored before its name is durable",
    file: "src/files/blob_store.ts",
    find: "        await this.#syncs.sync(folderOf(id));\n        this.#add(id);",
    replace: "        this.#add(id);\n        await this.#syncs.sync(folderOf(id));",
    killers: [STAGED],
  },
  {
    name: "blob-sync-shared-too-early",
    bug: "a sync that began before a rename counts for it",
    file: "src/files/shared_sync.ts",
    find: "    const next = running.then(after, after);",
    replace:
      "    if (after.length === 0) return running;\n    const next = running.then(after, after);",
    killers: ["src/files/shared_sync_test.ts"],
  },
  {
    name: "blob-early-sync-ignored",
    bug: "a failed sync in the middle of a large blob goes unnoticed",
    file: "src/files/staged_blob.ts",
    find: "    this.#syncing.catch((error) => this.#failure ??= writeError(error));",
    replace: "    this.#syncing = this.#syncing.catch(() => {});",
    killers: [STAGED],
  },
  {
    name: "blob-announced-forgotten",
    bug: "several uploads that fit alone fill the disk together",
    file: "src/files/blob_store.ts",
    find: "bytes -= announcedBytes;",
    replace: "bytes -= announcedBytes * 0;",
    killers: [STAGED],
  },
  {
    name: "blob-truncated-under-reader",
    bug: "a large blob is made shorter while somebody reads it",
    file: "src/files/blob_store.ts",
    find: "if (!this.#readers.has(id)) return this.#disk.remove(pathOf(id));",
    replace: "if (this.#ids.size >= 0) return this.#disk.remove(pathOf(id));",
    killers: [STORE],
  },
  {
    name: "blob-cut-push-kept",
    bug: "a push whose connection broke leaves its staging file and its room",
    file: "src/files/blob_server.ts",
    find: "      await writer.abort();\n",
    replace: "",
    killers: [PEERS],
  },
  {
    name: "blob-reply-reset",
    bug: "a refusal is lost, since the connection is closed while the body arrives",
    file: "src/platform/http_server.ts",
    find: "await this.#stream.drop(this.#chunks, DROPPED_BYTES_MAX);",
    replace: "if (DROPPED_BYTES_MAX > 0) this.#stream.destroy();",
    killers: [SERVER],
  },
  {
    name: "blob-stalled-forever",
    bug: "a reader that stops reading holds its connection and its file forever",
    file: "src/platform/http_stream.ts",
    find:
      "const cancel = this.#clock.after(this.#stalledMs, () => {\n      this.destroy(new Error(`nothing",
    replace:
      "const cancel = this.#clock.after(this.#stalledMs * 1_000, () => {\n      this.destroy(new Error(`nothing",
    killers: [SERVER],
  },
  {
    name: "blob-repaired-put-aside",
    bug: "a late reader of a damaged file puts the good one into quarantine that has replaced it",
    file: "src/files/blob_store.ts",
    find: "if (this.#ids.get(id) !== which) return;",
    replace: "if (which === undefined || !this.#ids.has(id)) return;",
    killers: [STORE],
  },
  {
    name: "blob-transfers-without-limit",
    bug: "other nodes' transfers take all file descriptors of a node",
    file: "src/files/blob_server.ts",
    find: "if (this.#transfers >= this.#transfersMax) {",
    replace: "if (this.#transfers >= 1_000 * this.#transfersMax) {",
    killers: [PEERS],
  },
  {
    name: "blob-seal-in-content",
    bug: "the checksum that follows a content becomes a part of it",
    file: "src/files/blob_wire.ts",
    find: "const ofSeal = Math.min(seal.length, contentBytes);",
    replace: "const ofSeal = Math.min(seal.length - 1, contentBytes);",
    killers: [PEERS],
  },
  {
    name: "blob-table-cut-anew",
    bug: "checksums depend on how the network has cut the content",
    file: "src/files/blob_format.ts",
    find: "this.#crc = crc32(part, this.#crc);",
    replace: "this.#crc = crc32(part);",
    killers: ["src/files/blob_format_test.ts"],
  },
  {
    name: "blob-memory-read-twice",
    bug: "a reader has in its hands what the next piece overwrites",
    file: "src/files/blob_reader.ts",
    find: "    this.#older = this.#newer;",
    replace: "    this.#older = last;",
    killers: [STORE],
  },
  {
    name: "piece-released-too-early",
    bug: "a slow holder gets the bytes of a later part of the file",
    file: "src/files/upload_lane.ts",
    find: "    piece.retain();\n",
    replace: "",
    killers: [UPLOAD],
  },
];
