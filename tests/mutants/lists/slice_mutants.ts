import type { Mutant } from "../mutant.ts";

const APPLIER = "src/node/clients/applier_test.ts";
const ARENA = "src/store/record_arena_test.ts";

/** Long work that is done in parts, so that nothing keeps the event loop for long. */
export const sliceMutants: readonly Mutant[] = [
  {
    name: "entry-counts-before-its-last-part",
    bug: "a read is answered from a state that holds half of an entry",
    file: "src/node/clients/applier.ts",
    find: "this.#add(entry, hasRequests ? proposal.requests : null, commands);",
    replace: `this.#last = { index: entry.index, term: entry.term };
    this.#add(entry, hasRequests ? proposal.requests : null, commands);`,
    killers: [APPLIER],
  },
  {
    name: "snapshot-of-half-an-entry",
    bug: "a snapshot that is taken while an entry is applied in parts holds a part of it",
    file: "src/node/snapshots/snapshot_taker.ts",
    find:
      "if (!isWhole()) return void (this.#isWanted = true); // retried when the entry is applied",
    replace: "if (!isWhole()) this.#isWanted = false;",
    killers: [],
    simulation: true,
  },
  {
    name: "long-work-in-one-turn",
    bug: "an MSET of many keys keeps the event loop until all are set, and an election begins",
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
    bug: "KEYS misses keys that were there all the time, as others are removed while it goes on",
    file: "src/store/keyspace.ts",
    find: "for (const view of this.#views) view.keep(position);",
    replace: "this.#snapshotView?.keep(position);",
    killers: [APPLIER],
  },
  {
    name: "key-view-never-ends",
    bug: "each KEYS leaves a view behind, until all of them hold up the writes",
    file: "src/commands/slices.ts",
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
    name: "arena-empties-a-segment-at-once",
    bug: "deleting one short key moves ten thousand others, and takes 13 ms",
    file: "src/store/record_arena.ts",
    find: "while (cost < costMax) {",
    replace: "while (cost < costMax || this.#emptying !== null) {",
    killers: [ARENA],
  },
  {
    name: "slabs-stay",
    bug: "memory of a state that was large never goes back to the system",
    file: "src/store/record_arena.ts",
    find: "if (slab.used > 0) return;",
    replace: "if (slab.used >= 0) return;",
    killers: [ARENA],
  },
  {
    name: "arena-falls-behind",
    bug: "what is won back with each change is less than what a change leaves: the dead pile up",
    file: "src/store/record_arena.ts",
    find: "const STEP_COST_PER_UNIT = 10;",
    replace: "const STEP_COST_PER_UNIT = 0;",
    killers: [ARENA],
  },
  {
    name: "view-of-a-gone-client-stays",
    bug: "each client that goes during KEYS leaves a view, which copies what every write changes",
    file: "src/node/clients/applier.ts",
    find: `slices.stop();
        continue;`,
    replace: "continue;",
    killers: [APPLIER],
  },
  {
    name: "write-stops-with-its-client",
    bug:
      "a long write is carried out by half at the node whose client has gone, and the states differ",
    file: "src/node/clients/applier.ts",
    find: "if (!request.isWrite && request.sink.isGone === true) {",
    replace: "if (request.sink.isGone === true) {",
    killers: [APPLIER],
  },
  {
    name: "read-goes-on-without-its-client",
    bug: "a read of many keys holds up the node though nobody wants its answer",
    file: "src/node/clients/applier.ts",
    find: "if (!request.isWrite && request.sink.isGone === true) {",
    replace: "if (request.isWrite && request.args.length === 0) {",
    killers: [APPLIER],
  },
  {
    name: "read-beside-others-ends-the-node",
    bug: "a read that throws while others go on ends the process",
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
    bug: "an entry that was carried out by half goes on upon the state of a snapshot",
    file: "src/node/clients/applier.ts",
    find: `this.giveUp();
    const { proposals, reads }`,
    replace: "const { proposals, reads }",
    killers: [APPLIER],
  },
];
