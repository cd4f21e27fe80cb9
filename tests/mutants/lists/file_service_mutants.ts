import type { Mutant } from "../mutant.ts";

const UPLOAD = "src/files/upload_test.ts";
const DOWNLOAD = "src/files/download_test.ts";
const HEALER = "src/files/healer_test.ts";
const WATCH = "src/files/node_watch_test.ts";
const FILES = "src/files/files_test.ts";
const CUT_OFF = "src/files/cut_off_test.ts";
const SIMULATION = "tests/simulation/files_test.ts";

/** How files are stored on several nodes, read and repaired. */
export const fileServiceMutants: readonly Mutant[] = [
  {
    name: "files-unknown-is-removed",
    bug:
      "a file is visible without content, since its commit arrived after the upload was given up",
    file: "src/files/upload.ts",
    find: "if (this.#isUnknown || this.#options.attempt !== undefined) {",
    replace: "if (this.#options.attempt !== undefined) {",
    killers: [UPLOAD],
  },
  {
    name: "files-unknown-found-by-simulation",
    bug: "as before, in a cluster whose leaders are lost",
    file: "src/files/upload.ts",
    find: 'if (error.code === "outcome-unknown") this.#isUnknown = true;',
    replace: "",
    killers: [SIMULATION],
  },
  {
    name: "files-repeated-too-late",
    bug: "a commit that is sent again brings back a file that was replaced, without its content",
    file: "src/files/upload.ts",
    find: "this.#isUnknown ? limits.repeatedMs : limits.deadlineMs",
    replace: "limits.deadlineMs",
    killers: [UPLOAD],
  },
  {
    name: "files-wrong-bytes-confirmed",
    bug: "a copy that was damaged on its way counts",
    file: "src/files/upload.ts",
    find: "if (summary === null || isSame(summary, expected)) continue;",
    replace: "if (summary === null || summary.size === expected.size) continue;",
    killers: [UPLOAD],
  },
  {
    name: "files-body-not-held-back",
    bug: "an upload to a slow node fills the memory",
    file: "src/files/upload.ts",
    find: "if (living.every((lane) => lane.queuedBytes < share)) return;",
    replace: "if (living.some((lane) => lane.queuedBytes < share)) return;",
    killers: [UPLOAD],
  },
  {
    name: "files-read-from-the-start",
    bug: "when a holder dies, its readers get the bytes from the start once more",
    file: "src/files/download.ts",
    find: "this.#readFrom(node, source.blob, at, to, options.signal)",
    replace: "this.#readFrom(node, source.blob, from, to, options.signal)",
    killers: [DOWNLOAD, SIMULATION],
  },
  {
    name: "files-corrupt-copy-not-reported",
    bug: "a copy that is found corrupt is never replaced",
    file: "src/files/download.ts",
    find: "if (node === nodeId && local !== null && !local.has(blob)) onLost(blob);",
    replace: "if (node === nodeId && local !== null && local.has(blob)) onLost(blob);",
    killers: [DOWNLOAD],
  },
  {
    name: "files-fetched-unverified",
    bug: "repair multiplies damaged copies",
    file: "src/files/pulls.ts",
    find: 'if (hash.digest("hex") === sha256) return void',
    replace: 'if (hash.digest("hex") !== "") return void',
    killers: [HEALER],
  },
  {
    name: "files-half-fetched",
    bug: "each stop in the middle of repair leaves a part of a file on the disk",
    file: "src/files/pulls.ts",
    find: "      await writer.abort();\n      throw error;",
    replace: "      if (!signal.aborted) await writer.abort();\n      throw error;",
    killers: [HEALER],
  },
  {
    name: "files-failed-fetch-forgotten",
    bug: "a fetch that fails once is not tried again while nothing else changes",
    file: "src/files/pulls.ts",
    find: "this.#awaitRetry(delayMs);",
    replace: "",
    killers: [HEALER],
  },
  {
    name: "files-orphan-without-grace",
    bug: "the content of an upload is removed as an orphan just before the upload is committed",
    file: "src/files/own_copies.ts",
    find: "const graceMs = state === null ? limits.orphanGraceMs : limits.deadGraceMs;",
    replace: "const graceMs = state === null ? 0 : limits.deadGraceMs;",
    killers: [HEALER, SIMULATION],
  },
  {
    name: "files-lost-disk-unnoticed",
    bug: "an emptied disk is believed to be full of files",
    file: "src/files/healer.ts",
    find: "if (recorded < expected) await",
    replace: "if (recorded > expected) await",
    killers: [HEALER, SIMULATION],
  },
  {
    name: "files-leader-blames-all",
    bug: "a leader whose network fails takes all other nodes out, and the layout is empty",
    file: "src/files/node_watch.ts",
    find: "if (2 * silent.length >= watched.length + 1) return;",
    replace: "if (silent.length > watched.length) return;",
    killers: [WATCH],
  },
  {
    name: "files-cover-waits-for-a-place",
    bug: "songs that have taken all places wait for one more each, and go without covers",
    file: "src/files/files.ts",
    find: "this.#uploads.putWithin(...cover)",
    replace: "this.#uploads.put(...cover)",
    killers: [FILES],
  },
  {
    name: "files-isolated-node-goes-on-giving",
    bug: "transfers that are under way when a node is isolated go on to their end",
    file: "src/files/blob_server.ts",
    find: "      for await (const piece of pieces) {\n        this.#checkCutOff(exchange);",
    replace: "      for await (const piece of pieces) {",
    killers: [CUT_OFF],
  },
];
