import type { Mutant } from "../mutant.ts";

const FREQUENCY = "src/store/key_frequency_test.ts";
const ARENA = "src/store/record_arena_test.ts";
const INSPECTION = "src/commands/inspection_rows_test.ts";

/** How often keys are accessed, which each node counts for itself (`OBJECT FREQ`). */
export const frequencyMutants: readonly Mutant[] = [
  {
    name: "frequency-never-falls",
    bug: "a key that was hot once stays hot for good",
    file: "src/store/key_frequency.ts",
    find: "    this.#nowMs = nowMs;",
    replace: "    if (this.#nowMs === 0) this.#nowMs = nowMs;",
    killers: [FREQUENCY, INSPECTION],
  },
  {
    name: "frequency-is-linear",
    bug: "each access that is counted raises the frequency, so that all keys in use are at 255",
    file: "src/store/key_frequency.ts",
    find: "this.#random() * odds < ACCESSES_PER_COUNT ?",
    replace: "this.#random() * odds >= 0 ?",
    killers: [FREQUENCY],
  },
  {
    name: "each-sixteenth-access-is-counted",
    bug: "of sixteen keys that are accessed in turns, one looks hot and fifteen unused",
    file: "src/store/key_frequency.ts",
    find: "1 + Math.floor(this.#random() * (2 * ACCESSES_PER_COUNT - 1))",
    replace: "ACCESSES_PER_COUNT",
    killers: [FREQUENCY],
  },
  {
    name: "idle-frequency-comes-round",
    bug: "a key that nobody has accessed for half a day looks hot",
    file: "src/store/key_frequency.ts",
    find: "const STAMP_MASK = 2 ** STAMP_BITS - 1;",
    replace: "const STAMP_MASK = 2 ** 9 - 1;",
    killers: [FREQUENCY],
  },
  {
    name: "frequency-lost-with-the-record",
    bug: "a value of another length lets its key look new",
    file: "src/store/items.ts",
    find: "this.#make(position, key, value, this.stampOf(item))",
    replace: "this.#make(position, key, value, 0)",
    killers: [INSPECTION],
  },
  {
    name: "position-clears-the-stamp",
    bug: "a key that takes a removed one's position loses a part of its stamp",
    file: "src/store/record_arena.ts",
    find: "(words[at] as number) & ~POSITION_MASK | position",
    replace: "position",
    killers: [ARENA],
  },
  {
    name: "stamp-clears-the-lengths",
    bug: "a record whose key is accessed forgets how long its value is",
    file: "src/store/record_arena.ts",
    find: "words[at + STATE_WORD] = state | stamp",
    replace: "words[at + STATE_WORD] = (state & DEAD_FLAG) | stamp",
    killers: [ARENA],
  },
  {
    name: "telling-about-a-key-is-an-access",
    bug: "EXISTS raises the frequency of a key, which it does not in Redis",
    file: "src/commands/key_rows.ts",
    find: "countFound(args, (key) => keyspace.inspect(key))",
    replace: "countFound(args, (key) => keyspace.lookUp(key))",
    killers: [INSPECTION],
  },
  {
    name: "reads-are-no-accesses",
    bug: "a key that is only read looks like one that nobody uses",
    file: "src/store/keyspace.ts",
    find: "      this.#noteAccess(item);\n    }\n    return found;",
    replace: "    }\n    return found;",
    killers: [INSPECTION],
  },
  {
    name: "frequencies-wait-for-writes",
    bug: "frequencies fall by the log's time alone, which stands while nothing is written",
    file: "src/commands/state_machine.ts",
    find: "this.keyspace.noteTime(this.#context.nowMs);",
    replace: "this.keyspace.noteTime(this.keyspace.timeMs);",
    killers: [INSPECTION],
  },
];
