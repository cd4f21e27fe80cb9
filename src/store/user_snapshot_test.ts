import { assert, assertEquals, assertThrows } from "@std/assert";
import { chunksOf } from "../../tests/support/file_machine.ts";
import { StateMachine } from "../commands/state_machine.ts";
import { USER_RULES, userRulesRequest } from "../commands/user_writes.ts";
import { listLine } from "../security/mod.ts";
import { SnapshotFormatError } from "./snapshot_items.ts";
import { StateLoader } from "./state_loader.ts";

const encoder = new TextEncoder();

function setUser(machine: StateMachine, name: string, ...rules: readonly string[]): void {
  machine.execute(USER_RULES, userRulesRequest(name, rules), 0);
}

function loadChunks(chunks: readonly Uint8Array[]): StateMachine {
  const loader = new StateLoader();
  for (const chunk of chunks) loader.push(chunk);
  const machine = new StateMachine();
  machine.restore(loader, 3);
  return machine;
}

function load(...items: readonly (readonly unknown[])[]): StateMachine {
  const all = [["state", 2, 1, 0, 0, 0, 0], ...items, ["end"]];
  return loadChunks([encoder.encode(JSON.stringify(all))]);
}

const DEFAULT = ["user", "default", 6];
const DEFAULT_RULES = ["rules", "on", "nopass", "~*", "%F~*", "&*", "+@all"];

Deno.test("users have items, which restore them with their version", () => {
  const machine = new StateMachine();
  setUser(machine, "\xff", "on", "~k\xff");
  setUser(machine, "default", "off");
  const chunks = chunksOf(machine);
  const text = new TextDecoder().decode(chunks[0]);
  assertEquals(JSON.parse(text).slice(1), [
    ["users", 2, 2],
    DEFAULT,
    ["rules", "off", ...DEFAULT_RULES.slice(2)],
    ["user", "\xff", 4],
    ["rules", "on", "~k\xff", "resetchannels", "-@all"],
    ["end"],
  ]);
  const copy = loadChunks(chunks);
  assertEquals(copy.users.view(), machine.users.view());
  assertEquals(copy.users.usedBytes, machine.users.usedBytes);
  assertEquals(chunksOf(copy), chunks);
});

Deno.test("a user with long rules is written in several items", () => {
  const machine = new StateMachine();
  const patterns = Array.from({ length: 20 }, (_, at) => `~${at}${"x".repeat(3000)}`);
  setUser(machine, "u", ...patterns, `(${patterns.join(" ")})`);
  const chunks = chunksOf(machine);
  assert(chunks.length > 3, `${chunks.length} chunks`);
  const copy = loadChunks(chunks);
  assertEquals(copy.users.view().users.map(listLine), machine.users.view().users.map(listLine));
});

Deno.test("a state without users has those of a new cluster", () => {
  assertEquals(load().users.view(), new StateMachine().users.view());
});

Deno.test("wrong items of users are refused", () => {
  const ada = ["user", "ada", 3];
  const adaRules = ["rules", "on", "resetchannels", "-@all"];
  const users = ["users", 5, 2];
  assertEquals(load(users, ada, adaRules, DEFAULT, DEFAULT_RULES).users.version, 5);
  for (
    const [name, items] of Object.entries({
      "no version": [["users", 0, 2], ada, adaRules, DEFAULT, DEFAULT_RULES],
      "no users": [["users", 5, 0]],
      "too few": [users, DEFAULT, DEFAULT_RULES],
      "too many": [["users", 5, 1], ada, adaRules, DEFAULT, DEFAULT_RULES],
      "no default": [["users", 5, 1], ada, adaRules],
      "out of order": [users, DEFAULT, DEFAULT_RULES, ada, adaRules],
      "twice": [["users", 5, 3], ada, adaRules, ada, adaRules, DEFAULT, DEFAULT_RULES],
      "begun twice": [users, users, ada, adaRules, DEFAULT, DEFAULT_RULES],
      "not announced": [ada, adaRules],
      "rules alone": [users, adaRules],
      "rules missing": [users, ada, adaRules.slice(0, 3), DEFAULT, DEFAULT_RULES],
      "rules too many": [users, ada, [...adaRules, "-get"], DEFAULT, DEFAULT_RULES],
      "no user": [users, ada, ["rules", "on", "-@all", "on"], DEFAULT, DEFAULT_RULES],
      "files after them": [
        users,
        ada,
        adaRules,
        DEFAULT,
        DEFAULT_RULES,
        ["files", 1, 0, 0, 0, 0],
      ],
      "a session after them": [users, ["session", "1-1", 1, 1, 0, 0, 0]],
    })
  ) assertThrows(() => load(...items), SnapshotFormatError, undefined, name);
});
