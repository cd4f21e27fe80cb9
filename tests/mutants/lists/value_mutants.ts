import type { Mutant } from "../mutant.ts";

const KEYSPACE = "src/store/keyspace.ts";
const STRINGS = "src/store/snapshot_strings.ts";
const VALUES = "src/store/typed_values_test.ts";
const LOADER = "src/store/state_loader_test.ts";
const COMMANDS = "src/commands/typed_values_test.ts";

/** Values that are not strings: copy-on-write, memory accounting, and their parts in snapshots. */
export const valueMutants: readonly Mutant[] = [
  {
    name: "queue-keeps-what-it-gave",
    bug: "after a burst a leader keeps the arguments of thousands of decided proposals",
    file: "src/base/queues.ts",
    find: "    this.#ring[this.#head] = undefined;\n",
    replace: "",
    killers: ["src/base/queues_test.ts"],
  },
  {
    name: "edit-without-copy",
    bug: "an edit changes a value in place although a snapshot or another key holds it",
    file: KEYSPACE,
    find: "const editable = isOwned ?",
    replace: "const editable = isOwned || key !== null ?",
    killers: [VALUES],
  },
  {
    name: "edit-of-what-a-view-reads-later",
    bug: "a snapshot reads the edited value, not the one of its beginning",
    file: KEYSPACE,
    find: `      if (editable !== value) {
        this.#keep(this.#items.positionOf(item));`,
    replace: "      if (editable !== value) {",
    killers: [VALUES],
  },
  {
    name: "copy-shares-without-mark-at-source",
    bug: "an edit of the original of a COPY changes the copy as well",
    file: KEYSPACE,
    find: "    this.#items.setOwnedSince(item, NO_EPOCH);",
    replace: "",
    killers: [VALUES],
  },
  {
    name: "copy-shares-without-mark-at-target",
    bug: "an edit of the copy that COPY made changes the original as well",
    file: KEYSPACE,
    find: "this.#put(to, this.#items.valueOf(item), NO_EPOCH);",
    replace: "this.#put(to, this.#items.valueOf(item), this.#epoch);",
    killers: [VALUES],
  },
  {
    name: "rename-takes-possession",
    bug: "a value that a snapshot or another key holds can be changed in place after RENAME",
    file: KEYSPACE,
    find: "this.#put(to, value, ownedSince);",
    replace: "this.#put(to, value, this.#epoch + ownedSince);",
    killers: [VALUES],
  },
  {
    name: "view-does-not-share",
    bug: "the beginning of a snapshot does not mark the values as shared",
    file: KEYSPACE,
    find: "this.#viewEpoch = this.#epoch++;",
    replace: "this.#viewEpoch = this.#epoch++ * NO_EPOCH;",
    killers: [VALUES],
  },
  {
    name: "view-shares-what-comes-later",
    bug: "a value that is stored during a snapshot is copied at every edit until the snapshot ends",
    file: KEYSPACE,
    find: "this.#viewEpoch = this.#epoch++;",
    replace: "this.#viewEpoch = this.#epoch;",
    killers: [VALUES],
  },
  {
    name: "view-shares-for-ever",
    bug: "each value is copied once more after the end of a snapshot that nobody reads any longer",
    file: KEYSPACE,
    find: `      this.#snapshotView = null;
      this.#viewEpoch = NO_EPOCH;`,
    replace: "      this.#snapshotView = null;",
    killers: [VALUES],
  },
  {
    name: "edit-not-counted",
    bug: "the memory that edits take is not counted, and a loaded snapshot counts another sum",
    file: KEYSPACE,
    find: "this.#usedBytes += type.bytes(editable) - bytesBefore;",
    replace: "this.#usedBytes += Math.min(0, type.bytes(editable) - bytesBefore);",
    killers: [VALUES],
  },
  {
    name: "empty-value-stays",
    bug: "a key whose last element was removed goes on existing",
    file: KEYSPACE,
    find: "      if (type.isEmpty(editable)) this.#remove(item, key);",
    replace: "",
    killers: [VALUES],
  },
  {
    name: "edit-of-an-expired-value",
    bug: "an edit brings back the content of a key that has expired",
    file: KEYSPACE,
    find: `    if (item === undefined || this.#isDue(this.#items.positionOf(item))) {
      return this.#editNew(`,
    replace: `    if (item === undefined) {
      return this.#editNew(`,
    killers: [VALUES],
  },
  {
    name: "new-value-lost-with-an-error",
    bug: "what an edit did before it threw is kept for a key that existed, and lost for a new one",
    file: KEYSPACE,
    find: `    try {
      return change(editable);
    } finally {
      if (!type.isEmpty(editable)) this.#put(key, editable, this.#epoch);
    }`,
    replace: `    const result = change(editable);
    if (!type.isEmpty(editable)) this.#put(key, editable, this.#epoch);
    return result;`,
    killers: [VALUES],
  },
  {
    name: "clone-shares-its-blocks",
    bug: "the copy of a value shares parts that both may change",
    file: "tests/support/store/list_value.ts",
    find: "if (block.owner === this) return block.items;",
    replace: "if (block.owner.type === this.type) return block.items;",
    killers: [VALUES],
  },
  {
    name: "last-part-lost",
    bug: "a snapshot leaves out the entries that do not fill a part",
    file: STRINGS,
    find: 'if (bytes > 0) yield `["${kind}"${part}]`;',
    replace: 'if (bytes > PART_BYTES / 2) yield `["${kind}"${part}]`;',
    killers: [VALUES],
  },
  {
    name: "parts-without-bound",
    bug: "a snapshot tells a value of any size in one item, so that the event loop stands still",
    file: STRINGS,
    find: "if (bytes > 0 && bytes + entryBytes > PART_BYTES) {",
    replace: "if (bytes > 0 && entryBytes > PART_BYTES) {",
    killers: [LOADER],
  },
  {
    name: "entries-not-counted",
    bug: "a snapshot that lost a part of a value is loaded",
    file: "src/store/state_loader.ts",
    find: "integerField(item, 1, 1) !== this.#entries",
    replace: "integerField(item, 1, 1) < 0",
    killers: [LOADER],
  },
  {
    name: "value-left-open",
    bug: "a key, a session or the end is taken while the value before it is not whole",
    file: "src/store/state_loader.ts",
    find: "if (this.#value === null) this",
    replace: 'if (this.#value === null || kind === "key" || kind === "end") this',
    killers: [LOADER],
  },
  {
    name: "edit-of-another-type",
    bug: "a command on another type stops the node, where it should answer WRONGTYPE",
    file: "src/commands/typed_values.ts",
    find: "  if (found !== undefined) valueOf(found, type);",
    replace: "  if (found === undefined) return keyspace.edit(key, type, change);",
    killers: [COMMANDS],
  },
  {
    name: "types-not-handed-to-the-loader",
    bug: "a node cannot load its own snapshot when it holds values of a new type",
    file: "src/commands/state_machine.ts",
    find: "this.#options.types ?? VALUE_TYPES",
    replace: "VALUE_TYPES",
    killers: [COMMANDS],
  },
];
