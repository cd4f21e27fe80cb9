import type { Mutant } from "../mutant.ts";

const HEALTH = "src/store/file_health.ts";
const INDEX = "src/store/file_index.ts";
const WRITES = "src/commands/file_writes.ts";
const ROWS_TEST = "src/commands/file_rows_test.ts";
const SAFETY_TEST = "src/commands/file_safety_test.ts";
const LIST_TEST = "src/commands/file_list_test.ts";
const SNAPSHOT_TEST = "src/store/file_snapshot_test.ts";

/** What the replicated state knows about files. */
export const fileMutants: readonly Mutant[] = [
  {
    name: "file-release-before-the-others-have-it",
    bug: "a node that a file does not belong on any more deletes it before the new nodes have it",
    file: HEALTH,
    find: "  return holdsAll(blob, wanted) && availableCopies(blob, placement) > blob.file.copies;",
    replace: "  return blob.holders.length > 0;",
    killers: [SAFETY_TEST, ROWS_TEST],
  },
  {
    name: "file-release-where-nobody-is-wanted",
    bug: "while all nodes are out, every one of them may delete its files",
    file: HEALTH,
    find: "wanted.length === 0 || wanted.includes(id) || placement.isOut(id)",
    replace: "wanted.includes(id)",
    killers: [SAFETY_TEST, ROWS_TEST],
  },
  {
    name: "file-release-of-a-wanted-copy",
    bug: "a node may delete a file that belongs there, as long as all others have it too",
    file: HEALTH,
    find: "wanted.length === 0 || wanted.includes(id) || placement.isOut(id)",
    replace: "wanted.length === 0 || placement.isOut(id)",
    killers: [SAFETY_TEST, ROWS_TEST],
  },
  {
    name: "file-released-holder-still-counts",
    bug: "a copy that was deleted still counts, so that the last one may go as well",
    file: INDEX,
    find: "    this.lose(node, id);\n    return true;",
    replace: "    return true;",
    killers: [SAFETY_TEST, ROWS_TEST],
  },
  {
    name: "file-overwritten-content-is-forgotten",
    bug: "the content of an overwritten file stays on the disks for ever",
    file: INDEX,
    find: "blob.holders.length === 0 ? null : { ...blob, file: null }",
    replace: "null",
    killers: [ROWS_TEST, SAFETY_TEST],
  },
  {
    name: "file-dead-content-is-never-forgotten",
    bug: "the state keeps every content that was ever deleted, until memory is full",
    file: INDEX,
    find: "const isForgotten = blob.file === null && holders.length === 0;",
    replace: "const isForgotten = false;",
    killers: [ROWS_TEST, SAFETY_TEST],
  },
  {
    name: "file-condition-ignored",
    bug: "of 32 clients that create a file only if there is none, all succeed",
    file: WRITES,
    find: 'case "absent":\n      return file === undefined;',
    replace: 'case "absent":\n      return true;',
    killers: [ROWS_TEST],
  },
  {
    name: "file-commit-again-makes-a-version",
    bug:
      "a commit that is repeated after a lost answer is refused, or overwrites what came between",
    file: WRITES,
    find: "if (known !== undefined) return replyAgain(known, request);",
    replace: "if (known?.file === null) return replyAgain(known, request);",
    killers: [ROWS_TEST],
  },
  {
    name: "file-visible-below-a-majority",
    bug: "a file that only one of three nodes has is visible, and gone with that node",
    file: WRITES,
    find: "Math.floor(copies / 2) + 1",
    replace: "Math.floor(copies / 2)",
    killers: [ROWS_TEST],
  },
  {
    name: "file-commit-to-a-draining-node",
    bug: "uploads go to a node that is being drained, which is never empty",
    file: WRITES,
    find: 'if (state !== "up") throw',
    replace: 'if (state === "out") throw',
    killers: [ROWS_TEST],
  },
  {
    name: "file-totals-forget-what-changes-while-they-are-counted",
    bug: "the status shows missing copies for ever, after uploads during its first count",
    file: HEALTH,
    find: "for (const changes of this.#open) changeTotals(",
    replace: "for (const changes of this.#open.size > 1 ? this.#open : []) changeTotals(",
    killers: [ROWS_TEST],
  },
  {
    name: "file-view-shares-the-tree",
    bug: "a snapshot has files in it that were written after it began",
    file: INDEX,
    find: "byName: this.#byName.clone(),",
    replace: "byName: this.#byName,",
    killers: [SNAPSHOT_TEST, LIST_TEST],
  },
  {
    name: "file-snapshot-without-versions",
    bug: "after a restart versions begin again, so that an old one fits a new file",
    file: "src/store/file_snapshot.ts",
    find: "    this.index.restore(announced.version);\n",
    replace: "",
    killers: [SNAPSHOT_TEST],
  },
  {
    name: "file-list-prefix-ends-early",
    bug: "the reverse list of a prefix lacks the files whose next letter has a high code",
    file: "src/commands/file_list.ts",
    find: "String.fromCharCode(kept.charCodeAt(kept.length - 1) + 1)",
    replace: "`${kept.slice(-1)}z`",
    killers: [LIST_TEST],
  },
];
