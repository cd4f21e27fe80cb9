import type { Mutant } from "../mutant.ts";

const APPLIER = "src/node/clients/applier_test.ts";
const ARENA = "src/store/record_arena_test.ts";

/** Long work that is split into parts, so that nothing blocks the event loop for long. */
export const sliceMutants: readonly Mutant[] = [
  {
    name: "entry-counts-before-its-last-part",
    bug: "a read is answered from a state that has half of an entry",
    file: "src/node/clients/applier.ts",
    find: "this.#add(entry, hasRequests ? proposal.requests : null, commands);",
    replace: `this.#last = { index: entry.index, term: entry.term };
    this.#add(entry, hasRequests ? proposal.requests : null, commands);`,
    killers: [APPLIER],
  },
  {
    name: "snapshot-of-half-an-entry",
    bug: "a snapshot that is taken while an entry is applied in parts has some of the parts",
    file: "src/node/snapshots/snapshot_taker.ts",
    find:
      "if (!isWhole()) return void (this.#isWanted = true); // retried when the entry is applied",
    replace: "if (!isWhole()) this.#isWanted = false;",
    killers: [],
    simulation: true,
  },
  {
    name: "long-work-in-one-turn",
    bug: "an MSET of many keys blocks the event loop until all are set, and an election begins",
    file: "src/node/clients/applier.ts",
    find: "if (!budget.spend(isDone ? 1 : LONG_STEP) && work.done < count) return false;",
    replace: "budget.spend(1);",
    killers: [APPLIER],
  },
  {
    name: "given-up-requests-hang",
    bug: "requests that a snapshot overtakes in the middle of an entry are never answered",
    file: "src/node/clients/applier.ts",
    find: "for (const { requests, done } of works) settleUnknown(requests?.slice(done) ?? []);",
    replace: "works.length = 0;",
    killers: [APPLIER],
  },
  {
    name: "keys-of-several-moments",
    bug: "KEYS misses keys that existed all the time, because others are removed meanwhile",
    file: "src/store/keyspace.ts",
    find: "for (const view of this.#views) view.keep(position);",
    replace: "this.#snapshotView?.keep(position);",
    killers: [APPLIER],
  },
  {
    name: "key-view-never-ends",
    bug: "each KEYS leaves a view open, until all of them slow down the writes",
    file: "src/commands/command.ts",
    find: "keyspace.endView(view);",
    replace: "if (view.size < 0) keyspace.endView(view);",
    killers: [APPLIER],
  },
  {
    name: "scan-without-a-bound",
    bug: "SCAN with a huge COUNT looks at all keys at once",
    file: "src/commands/keyspace_rows.ts",
    find: "Math.min(options.count, SCAN_KEYS_MAX)",
    replace: "options.count",
    killers: ["src/commands/keyspace_rows_test.ts"],
  },
  {
    name: "pattern-of-any-cost",
    bug: "SCAN compares a pattern with a long key for as long as it takes",
    file: "src/commands/keyspace_rows.ts",
    find: "if (match.steps > comparisonsMax) throw PATTERN_TOO_COSTLY;",
    replace: "if (match.steps > Infinity * comparisonsMax) throw PATTERN_TOO_COSTLY;",
    killers: ["src/commands/keyspace_rows_test.ts"],
  },
  {
    name: "pattern-of-any-cost-to-keys",
    bug: "KEYS compares a pattern with long keys for as long as it takes",
    file: "src/commands/keyspace_rows.ts",
    find: "if (comparisons + match.steps > comparisonsMax) throw PATTERN_TOO_COSTLY;",
    replace: "if (match.steps > Infinity * comparisonsMax) throw PATTERN_TOO_COSTLY;",
    killers: ["src/commands/keyspace_rows_test.ts"],
  },
  {
    name: "comparisons-of-a-keys-step-uncounted",
    bug: "KEYS compares 256 keys with a costly pattern in one step",
    file: "src/commands/keyspace_rows.ts",
    find: "if (++keysInStep === KEYS_PER_STEP || stepComparisons >= COMPARISONS_PER_STEP) {",
    replace:
      "if (++keysInStep === KEYS_PER_STEP || stepComparisons >= 1e9 * COMPARISONS_PER_STEP) {",
    killers: ["src/commands/keyspace_rows_test.ts"],
  },
  {
    name: "comparisons-of-a-scan-step-uncounted",
    bug: "SCAN compares 256 keys with a costly pattern in one step",
    file: "src/commands/keyspace_rows.ts",
    find:
      "if ((from - position) % KEYS_PER_STEP === 0 || stepComparisons >= COMPARISONS_PER_STEP) {",
    replace: "if ((from - position) % KEYS_PER_STEP === 0 || stepComparisons < 0) {",
    killers: ["src/commands/keyspace_rows_test.ts"],
  },
  {
    name: "arena-empties-a-segment-at-once",
    bug: "deleting one short key moves ten thousand others, and takes 13 ms",
    file: "src/store/record_arena.ts",
    find: "while (cost < costMax) {",
    replace: "while (cost < costMax || this.#emptying !== null) {",
    killers: [ARENA],
  },
  {
    name: "slabs-stay",
    bug: "the memory of a state that was large never goes back to the system",
    file: "src/store/record_arena.ts",
    find: "if (slab.used > 0) return;",
    replace: "if (slab.used >= 0) return;",
    killers: [ARENA],
  },
  {
    name: "arena-falls-behind",
    bug: "each change reclaims less than it leaves: dead records accumulate",
    file: "src/store/record_arena.ts",
    find: "const STEP_COST_PER_UNIT = 10;",
    replace: "const STEP_COST_PER_UNIT = 0;",
    killers: [ARENA],
  },
  {
    name: "view-of-a-gone-client-stays",
    bug:
      "each client that disconnects during KEYS leaves a view open, which copies everything that is written",
    file: "src/node/clients/applier.ts",
    find: `slices.stop();
        continue;`,
    replace: "continue;",
    killers: [APPLIER],
  },
  {
    name: "write-stops-with-its-client",
    bug:
      "a long write is half executed at the node whose client has disconnected, and the states differ",
    file: "src/node/clients/applier.ts",
    find: "if (!request.isWrite && request.sink.isGone === true) {",
    replace: "if (request.sink.isGone === true) {",
    killers: [APPLIER],
  },
  {
    name: "read-goes-on-without-its-client",
    bug: "a read of many keys delays the node though nobody wants its answer",
    file: "src/node/clients/applier.ts",
    find: "if (!request.isWrite && request.sink.isGone === true) {",
    replace: "if (request.isWrite && request.args.length === 0) {",
    killers: [APPLIER],
  },
  {
    name: "read-beside-others-ends-the-node",
    bug: "a read that throws while others are in progress ends the process",
    file: "src/node/clients/applier.ts",
    find: `request.fail(error);
      }
      if (!this.#budget`,
    replace: `throw error;
      }
      if (!this.#budget`,
    killers: [APPLIER],
  },
  {
    name: "half-an-entry-goes-on-behind-a-snapshot",
    bug: "a half executed entry continues on the state of a snapshot",
    file: "src/node/clients/applier.ts",
    find: `this.giveUp();
    const { proposals, reads }`,
    replace: "const { proposals, reads }",
    killers: [APPLIER],
  },
];
