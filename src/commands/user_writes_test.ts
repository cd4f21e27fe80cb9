import { assertEquals } from "@std/assert";
import { FileMachine } from "../../tests/support/file_machine.ts";
import { DEFAULT_USER, listLine, USERS_MAX } from "../security/mod.ts";
import { Users } from "../store/users.ts";
import { StateMachine } from "./state_machine.ts";
import { findLoggedRow, findRow, rowOf } from "./table.ts";
import { userRulesRequest } from "./user_writes.ts";

/** Executes a write as if it came from the log. A refusal is its text. */
function apply(machine: StateMachine, args: readonly string[]): unknown {
  const command = rowOf(args);
  if (command === undefined) throw new Error(`Cannot find ${args[0]}`);
  const reply = machine.execute(command, args, 0);
  return reply !== null && typeof reply === "object" && "text" in reply ? reply.text : reply;
}

const lines = ({ users }: StateMachine) => users.view().users.map(listLine);

Deno.test("a new cluster has the default user of Redis, who may use files too", () => {
  const { users } = new StateMachine();
  assertEquals([users.version, users.size, users.usedBytes], [0, 1, 0]);
  assertEquals(users.view().users, [DEFAULT_USER]);
});

Deno.test("finished rules make and change a user, and each change counts", () => {
  const machine = new StateMachine();
  assertEquals(apply(machine, userRulesRequest("b", ["on", "~k*"])), "OK");
  assertEquals(apply(machine, userRulesRequest("a", [])), "OK");
  assertEquals(apply(machine, userRulesRequest("b", ["+get"])), "OK");
  assertEquals(lines(machine), [
    "user a off resetchannels -@all",
    "user b on ~k* resetchannels -@all +get",
    "user default on nopass ~* %F~* &* +@all",
  ]);
  assertEquals(machine.users.version, 3);
});

Deno.test("what is no checked rule changes nothing", () => {
  const machine = new StateMachine();
  const reply = apply(machine, userRulesRequest("a", ["on", ">secret"]));
  assertEquals(reply, "ERR Unknown rule '>***' of a user");
  assertEquals([machine.users.version, machine.users.size], [0, 1]);
});

Deno.test("no client can send the internal write", () => {
  assertEquals(findRow(["USER-RULES", "a", "on"]), null);
  assertEquals(findLoggedRow(["USER-RULES", "a"])?.name, "user-rules");
  assertEquals(findLoggedRow(["USER-RULES"]), null);
  assertEquals(findLoggedRow(["user-rules", "a"]), null, "nodes write it in one way only");
  assertEquals(findLoggedRow(["SET", "a", "b"])?.name, "set");
  assertEquals(findRow(["ONCE", "1-1", "1", "USER-RULES", "a", "on"]), null);
  assertEquals(new FileMachine().run("EXISTS", "a"), 0);
});

Deno.test("there is a maximum number of users, and of their bytes", () => {
  const machine = new StateMachine();
  for (let at = 1; at < USERS_MAX; at++) apply(machine, userRulesRequest(`u${at}`, []));
  assertEquals(machine.users.size, USERS_MAX);
  assertEquals(
    apply(machine, userRulesRequest("more", [])),
    "ERR there are too many users, more than 10000",
  );
  const rules = Array.from({ length: 16 }, (_, at) => `~${at}${"x".repeat(4000)}`);
  const refusals: unknown[] = [];
  for (let at = 1; refusals.length === 0 && at < USERS_MAX; at++) {
    const reply = apply(machine, userRulesRequest(`u${at}`, rules));
    if (reply !== "OK") refusals.push(reply, machine.users.usedBytes > 67_000_000);
  }
  assertEquals(refusals, [
    "ERR the rules of all users take too much memory, more than 67108864 bytes",
    true,
  ]);
  assertEquals(apply(machine, userRulesRequest("u1", ["reset"])), "OK", "rights can be taken");
});

Deno.test("a view does not see later changes", () => {
  const users = new Users();
  const before = users.view();
  users.set({ ...DEFAULT_USER, isEnabled: false });
  assertEquals(before.users[0]?.isEnabled, true);
  assertEquals(users.view().users[0]?.isEnabled, false);
  assertEquals([before.version, users.view().version], [0, 1]);
});
