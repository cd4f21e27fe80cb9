import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { CommandGenerator } from "../../tests/differential/command_generator.ts";
import { describeKeyspace } from "../../tests/fuzz/targets/commands.ts";
import { replyOf } from "../../tests/support/reply_of.ts";
import { seededRandom } from "../base/random.ts";
import { ErrorReply } from "../resp/reply.ts";
import { CommandError, errorReplyOf } from "./command_error.ts";
import { StateMachine } from "./state_machine.ts";
import { checkRequest } from "./table.ts";

Deno.test("a refused command has changed nothing", () => {
  const machine = new StateMachine();
  const random = seededRandom(1);
  const generator = new CommandGenerator(random);
  let refused = 0;
  let before = describeKeyspace(machine);
  for (let count = 0; count < 5_000; count++) {
    const { args } = generator.next();
    const reply = replyOf(() => machine.execute(checkRequest(args), args, 0, random));
    const after = describeKeyspace(machine);
    if (reply instanceof ErrorReply) {
      assertEquals(after, before, JSON.stringify(args));
      refused++;
    }
    before = after;
  }
  assert(refused > 100);
});

Deno.test("a command error becomes the reply, and an internal error is rethrown", () => {
  const refusal = new CommandError("ERR no");
  assertEquals(errorReplyOf(refusal), new ErrorReply("ERR no"));
  assertThrows(() => errorReplyOf(new TypeError("a bug")), TypeError, "a bug");
  assertEquals(refusal instanceof Error, false, "an Error would have a stack trace");
});

Deno.test("a request that is refused during its steps gets the same reply as at once", () => {
  const machine = new StateMachine();
  const args = ["MSET", ...Array.from({ length: 2_001 }, (_, at) => `k${at}`)];
  const reply = machine.begin(checkRequest(args), args, 0);
  assertInstanceOf(reply, ErrorReply);
  assertEquals(reply.text, "ERR wrong number of arguments for 'mset' command");
  const id = machine.execute(checkRequest(["SESSION", "OPEN"]), ["SESSION", "OPEN"], 0);
  const once = ["ONCE", String(id), "1", ...args];
  for (let time = 0; time < 2; time++) {
    const again = machine.begin(checkRequest(once), once, 0);
    assertEquals(again, reply, "the refusal is kept under its serial");
  }
});
