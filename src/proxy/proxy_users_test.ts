import { assertEquals } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { silentLogger } from "../base/logger.ts";
import { encodeReply } from "../resp/encode.ts";
import { applyRules, DEFAULT_USER, encodeUser, type User } from "../security/mod.ts";
import { ProxyUsers } from "./proxy_users.ts";

const ADA = applyRules(null, "ada", ["on"]);

function start() {
  const clock = new ManualClock();
  const asked: ((text: string) => void)[] = [];
  const warnings: string[] = [];
  let changes = 0;
  const users = new ProxyUsers({
    router: {
      read(args, answered) {
        assertEquals(args, ["CLUSTER", "USERS"]);
        asked.push(answered);
      },
    },
    clock,
    logger: { ...silentLogger, warn: (line) => void warnings.push(line) },
    changed: () => changes++,
  });
  const answer = (version: number, ...all: User[]) =>
    asked.shift()?.(encodeReply([version, [...all, DEFAULT_USER].map(encodeUser)], 2));
  return { clock, asked, warnings, users, answer, changes: () => changes };
}

Deno.test("the users of a new cluster need no copy, and nobody is known before a report", () => {
  const { users, asked, changes } = start();
  assertEquals(users.source, null);
  users.note(0);
  assertEquals(users.source?.find("default"), DEFAULT_USER);
  assertEquals([asked.length, changes()], [0, 1]);
  users.note(0);
  assertEquals(changes(), 1);
});

Deno.test("a change that a node reports is copied once, and a lagging node changes nothing", () => {
  const { users, asked, answer, changes } = start();
  users.note(2);
  users.note(2);
  assertEquals([asked.length, users.source], [1, null]);
  answer(2, ADA);
  assertEquals([users.source?.version, users.source?.find("ada")], [2, ADA]);
  users.note(1);
  users.note(0);
  users.note(2);
  assertEquals([asked.length, changes()], [0, 1]);
});

Deno.test("a change during a copy, or a copy from a node that lags, is copied again", () => {
  const { users, asked, answer } = start();
  users.note(1);
  users.note(3);
  answer(1, ADA);
  assertEquals([users.source?.version, asked.length], [1, 1]);
  answer(2);
  assertEquals([users.source?.version, asked.length], [2, 1]);
  answer(3, ADA);
  assertEquals([users.source?.version, asked.length], [3, 0]);
});

Deno.test("a copy that fails is tried again, with one line, and the old rights hold", () => {
  const { clock, users, asked, answer, warnings } = start();
  users.note(1);
  answer(1, ADA);
  users.note(2);
  for (const text of ["-CLUSTERDOWN no leader\r\n", "-CLUSTERDOWN no leader\r\n", "+OK\r\n"]) {
    asked.shift()?.(text);
    assertEquals([users.source?.version, asked.length], [1, 0]);
    clock.advance(250);
    assertEquals(asked.length, 1);
  }
  asked.shift()?.("*2\r\n:2\r\n*1\r\n*1\r\n$1\r\nx\r\n");
  assertEquals(warnings, [
    "cannot copy the users: CLUSTERDOWN no leader",
    "cannot copy the users: the reply is malformed",
  ]);
  clock.advance(250);
  answer(2);
  assertEquals(users.source?.find("ada"), undefined);
});

Deno.test("a user who did not change stays the same object, so that log-ins are remembered", () => {
  const { users, answer } = start();
  users.note(1);
  answer(1, ADA);
  const before = users.source?.find("ada");
  users.note(2);
  answer(2, applyRules(null, "ada", ["on"]), applyRules(null, "bob", ["on"]));
  assertEquals(users.source?.find("ada") === before, true);
  users.note(3);
  answer(3, applyRules(null, "ada", ["off"]));
  users.refresh(() => {});
  answer(1, ADA);
  assertEquals(users.source?.version, 3, "that node lags");
  assertEquals(users.source?.find("ada")?.isEnabled, false);
});

Deno.test("a fresh copy is one that was begun after the call, or is given up after a second", () => {
  const { clock, users, asked, answer } = start();
  users.note(1);
  const done: string[] = [];
  users.refresh(() => done.push("first"));
  answer(1);
  assertEquals([done, asked.length], [[], 1], "that copy was begun before");
  answer(2, ADA);
  assertEquals(done, ["first"]);
  users.refresh(() => done.push("second"));
  clock.advance(1_000);
  assertEquals(done, ["first", "second"]);
  answer(2, ADA);
  assertEquals(done, ["first", "second"]);
});
