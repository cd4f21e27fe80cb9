import type { Mutant } from "../mutant.ts";

const KEYSPACE = "src/store/keyspace_test.ts";
const HEAP = "src/store/expiry_heap_test.ts";
const ARENA = "src/store/record_arena_test.ts";

/** The replicated state machine: keys, deadlines, values. */
export const commandMutants: readonly Mutant[] = [
  {
    name: "time-goes-back",
    bug: "the log's time goes back with the clock of the next leader, and expired keys are alive",
    file: "src/store/keyspace.ts",
    find: "if (timeMs > this.#timeMs) this.#timeMs = timeMs;",
    replace: "this.#timeMs = timeMs;",
    killers: [KEYSPACE],
    simulation: true,
  },
  {
    name: "due-key-found",
    bug: "a key that is due but not removed yet is found",
    file: "src/store/keyspace.ts",
    find: "if (deadlineMs !== null && deadlineMs <= this.#timeMs) return undefined;",
    replace: "",
    killers: [KEYSPACE],
  },
  {
    name: "deadline-survives-set",
    bug: "SET keeps the deadline of the value before",
    file: "src/store/keyspace.ts",
    find: "if (this.#deadlines.at(position) !== null) this.#deadlines.delete(position);",
    replace: "if (this.#isDue(position)) this.#deadlines.delete(position);",
    killers: [KEYSPACE],
  },
  {
    name: "emptied-chunk-is-dropped",
    bug: "a lock that is taken and released makes a chunk of deadlines each time",
    file: "src/store/deadlines.ts",
    find: "??= this.#spares.pop() ?? newChunk();",
    replace: "??= newChunk();",
    killers: ["src/store/deadlines_test.ts"],
  },
  {
    name: "heap-loses-its-order",
    bug: "removing a deadline puts a later one before an earlier one",
    file: "src/store/deadlines.ts",
    find: "this.moved(last);",
    replace: "this.#up(last, index);",
    killers: [HEAP, KEYSPACE],
  },
  {
    name: "scan-misses-a-moved-key",
    bug: "a key that took the place of a removed one is not found there",
    file: "src/store/items.ts",
    find: "else last.position = position;",
    replace: "",
    killers: [KEYSPACE],
  },
  {
    name: "expired-in-a-storm",
    bug: "many keys that expire at the same time stall all clients",
    file: "src/store/keyspace.ts",
    find: "removed < EXPIRED_PER_STEP_MAX; removed++",
    replace: "removed < EXPIRED_PER_STEP_MAX * 1e9; removed++",
    killers: [KEYSPACE],
  },
  {
    name: "integer-above-2-53",
    bug: "integers above 2^53 are rounded",
    file: "src/base/integer.ts",
    find: `const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;`,
    replace: `const sum = a + b;
    if (Number.isFinite(sum)) return sum;`,
    killers: ["src/base/integer_test.ts", "src/commands/counter_rows_test.ts"],
  },
  {
    name: "glob-exponential",
    bug: "a glob pattern takes exponential time",
    file: "src/base/glob.ts",
    find: "this.#retryAt = this.#at;",
    replace: `for (let from = this.#index; from < text.length; from++) {
          const rest = new GlobMatch(parts.slice(this.#at), text.slice(from));
          if (rest.run(Infinity) === true) return true;
        }
        this.#retryAt = this.#at;`,
    killers: ["src/base/glob_test.ts"],
  },
  {
    name: "chance-in-a-write",
    bug:
      "a write reads the clock of the node that executes it: the leader's and the followers' differ",
    file: "src/commands/state_machine.ts",
    find: "context.nowMs = Math.max(nowMs, this.keyspace.timeMs);",
    replace: "context.nowMs = nowMs;",
    killers: ["src/commands/state_machine_test.ts", "src/commands/expiry_rows_test.ts"],
  },
  {
    name: "memory-without-a-bound",
    bug: "writes fill the memory until the process is killed",
    file: "src/commands/state_machine.ts",
    find: "usedBytes >= this.memoryBytesMax",
    replace: "usedBytes >= this.memoryBytesMax * 1e9",
    killers: ["src/commands/state_machine_test.ts"],
  },
  {
    name: "bound-above-what-is-built-in",
    bug: "a user's memory limit counts although the version's rules allow less",
    file: "src/commands/state_machine.ts",
    find: "memoryBytesMax === 0 ? limit : Math.min(memoryBytesMax, limit)",
    replace: "memoryBytesMax === 0 ? limit : memoryBytesMax",
    killers: ["src/commands/config_set_test.ts"],
  },
  {
    name: "bound-lost-in-a-snapshot",
    bug: "a node that was restored from a snapshot uses a memory limit of its own",
    file: "src/commands/state_machine.ts",
    find: "this.#context.settings = settings;",
    replace: "void settings;",
    killers: ["src/commands/config_set_test.ts"],
  },
  {
    name: "bound-not-told-in-a-snapshot",
    bug: "a snapshot lacks the user's memory limit",
    file: "src/store/state_snapshot.ts",
    find: "if (memoryBytesMax !== 0) state.push(memoryBytesMax);",
    replace: "if (memoryBytesMax < 0) state.push(memoryBytesMax);",
    killers: ["src/store/state_loader_test.ts", "src/commands/config_set_test.ts"],
  },
  {
    name: "setting-half-done",
    bug: "CONFIG SET changes some settings before it finds an invalid name",
    file: "src/commands/config_set.ts",
    find: "  checkNames(args);\n",
    replace:
      "  context.settings.memoryBytesMax = parseMemory(argument(args, 3)) ?? 0;\n  checkNames(args);\n",
    killers: ["src/commands/config_set_test.ts"],
  },
  {
    name: "moved-record-loses-its-position",
    bug:
      "a short key that took the place of a removed one is compared with the key at another position",
    file: "src/store/items.ts",
    find:
      'if (typeof last === "number") this.#arena.setPositionAt(last, position);\n      else last',
    replace: 'if (typeof last !== "number") last',
    killers: [KEYSPACE],
  },
  {
    name: "dead-values-kept",
    bug: "the space that values free when they change their length is never reclaimed",
    file: "src/store/record_arena.ts",
    find: "this.#deadUnits * DEAD_SHARE > this.#allocatedUnits",
    replace: "this.#deadUnits > DEAD_SHARE * this.#allocatedUnits",
    killers: [ARENA, KEYSPACE],
  },
  {
    name: "removed-records-uncounted",
    bug: "the space of removed keys is never reclaimed",
    file: "src/store/items.ts",
    find:
      'else last.position = position;\n    }\n    if (typeof item === "number") this.#arena.remove(item);',
    replace: "else last.position = position;\n    }",
    killers: [KEYSPACE],
  },
  {
    name: "deadline-left-behind",
    bug: "a key that takes the place of a removed one loses its deadline",
    file: "src/store/keyspace.ts",
    find: "this.#deadlines.moved(last, position);",
    replace: "if (last < 0) this.#deadlines.moved(last, position);",
    killers: [KEYSPACE],
  },
  {
    name: "moved-record-not-found",
    bug: "a key whose record was moved during compaction is found at its old place",
    file: "src/store/items.ts",
    find: "this.#index.replace(this.#arena.keyAt(to), from, to);",
    replace: "if (from === to) this.#index.replace(this.#arena.keyAt(to), from, to);",
    killers: [KEYSPACE],
  },
  {
    name: "view-sees-who-moved-in",
    bug: "a snapshot contains the last key twice, as it has taken the place of a removed one",
    file: "src/store/keyspace.ts",
    find: "this.#keep(last);",
    replace: "",
    killers: [KEYSPACE],
  },
  {
    name: "slot-of-another-key",
    bug: "the bytes of a key swap places in its slot's checksum",
    file: "src/commands/key_slot.ts",
    find: "(BEFORE_7[first] ?? 0) ^ (BEFORE_6[second] ?? 0)",
    replace: "(BEFORE_7[second] ?? 0) ^ (BEFORE_6[first] ?? 0)",
    killers: ["src/commands/key_slot_test.ts"],
  },
  {
    name: "full-in-steps",
    bug: "a write that another one brings is executed in steps though there is no room",
    file: "src/commands/state_machine.ts",
    find: `if (command.kind === "write" && this.#isFull(command)) throw this.#outOfMemory();
    return yield* command.begin`,
    replace: "return yield* command.begin",
    killers: ["src/commands/state_machine_test.ts"],
  },
  {
    name: "hello-by-half",
    bug: "HELLO with a wrong user sets the name all the same",
    file: "src/commands/connection_rows.ts",
    find: "if (options.user === null) {",
    replace:
      "if (options.clientName !== null) client.name = options.clientName;\n  if (options.user === null) {",
    killers: ["src/commands/connection_rows_test.ts"],
  },
  {
    name: "due-keys-in-a-view",
    bug: "KEYS in steps shows keys whose time has come",
    file: "src/store/keyspace.ts",
    find: "const exists = deadlineMs === null || deadlineMs > timeMs;",
    replace: "const exists = deadlineMs === null || deadlineMs > 0 || timeMs === 0;",
    killers: ["src/commands/keyspace_rows_test.ts"],
  },
];
