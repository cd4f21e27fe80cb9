import { assertEquals } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { openAccess } from "../../tests/support/open_access.ts";
import { serve } from "../../tests/support/serve.ts";
import type { Client } from "../commands/local.ts";
import { ErrorReply, OK } from "../resp/reply.ts";
import { refuseTransaction } from "./dispatcher.ts";

/** Three connections of one process, of which the first asks. */
function start() {
  const clock = new ManualClock();
  const gone: number[] = [];
  const clients = new Map([1, 2, 3].map((id) => {
    const connection: Client = {
      id,
      remote: `127.0.0.1:${4000 + id}`,
      local: "127.0.0.1:7001",
      name: "",
      openedMs: clock.monotonicMs(),
      lastReadMs: clock.monotonicMs(),
      lastCommand: "get",
      userName: "default",
      libraryName: "lib",
      libraryVersion: "1.2",
      protocol: 3,
      replyMode: "on",
      reset() {},
      closeAfterReplies: () => gone.push(id),
      destroy: () => gone.push(id),
    };
    return [id, connection];
  }));
  const self = clients.get(1) as Client;
  const run = (...args: string[]) =>
    serve(["CLIENT", ...args], {
      clients,
      clock,
      access: openAccess(),
    }, self);
  return { clock, gone, run, self };
}

Deno.test("CLIENT KILL disconnects the clients that match all filters, and not its sender", () => {
  const { gone, run } = start();
  assertEquals(run("kill", "ID", "2", "ADDR", "127.0.0.1:4003"), 0);
  assertEquals(run("kill", "TYPE", "normal", "USER", "default"), 2);
  assertEquals(gone, [2, 3]);
  assertEquals(run("kill", "LADDR", "127.0.0.1:7001", "SKIPME", "no"), 3);
  assertEquals(gone.includes(1), true);
});

Deno.test("CLIENT KILL with an invalid filter disconnects nobody", () => {
  const { gone, run } = start();
  const wrong = [
    ["ID", "x"],
    ["ID", "2", "NOPE", "1"],
    ["NOPE", "1", "ID", "2"],
    ["TYPE", "nope", "ID", "2"],
    ["ID", "2", "USER", "nobody"],
    ["ID", "2", "SKIPME", "maybe"],
    ["ID", "2", "ADDR"],
    ["MAXAGE", "0"],
  ];
  for (const filters of wrong) {
    assertEquals(run("kill", ...filters) instanceof ErrorReply, true, filters.join(" "));
  }
  assertEquals(gone, []);
});

Deno.test("CLIENT KILL MAXAGE disconnects clients of at least that age", () => {
  const { clock, gone, run } = start();
  clock.advance(9_999);
  assertEquals(run("kill", "MAXAGE", "10"), 0);
  clock.advance(1);
  assertEquals(run("kill", "MAXAGE", "10"), 2);
  assertEquals(gone, [2, 3]);
});

Deno.test("after a MULTI that was refused nothing is executed until EXEC or DISCARD", () => {
  const self = { isInRefusedTransaction: false };
  const say = (name: string) => {
    const reply = refuseTransaction(self, name);
    return reply instanceof ErrorReply ? reply.text.split(" ", 3).slice(0, 3).join(" ") : reply;
  };
  assertEquals(say("SET"), null);
  assertEquals(say("EXEC"), null);
  for (const [end, answer] of [["exec", "EXECABORT Transaction discarded"], ["DISCARD", OK]]) {
    assertEquals(say("Multi"), "ERR transactions are");
    for (const name of ["SET", "multi", "HELLO", "x".repeat(1e6)]) {
      assertEquals(say(name), "ERR not executed:");
    }
    assertEquals([say("RESET"), say("quit")], [null, null]);
    assertEquals(say(String(end)), answer);
    assertEquals(say("SET"), null);
  }
});

Deno.test("the last of two equal CLIENT KILL filters counts, as in Redis", () => {
  const { gone, run } = start();
  assertEquals(run("kill", "ID", "2", "ID", "3"), 1);
  assertEquals(gone, [3]);
});

Deno.test("names and library names of clients are kept, and bounded in length", () => {
  const { run, self } = start();
  assertEquals(run("setname", "x".repeat(1_024)), OK);
  const tooLong = "x".repeat(1_025);
  const errors = [
    run("setname", tooLong),
    run("setinfo", "lib-name", tooLong),
    run("setinfo", "LIB-VER", tooLong),
  ].map((reply) => reply instanceof ErrorReply ? reply.text : reply);
  assertEquals(errors, [
    "ERR Client names cannot be longer than 1024 characters.",
    "ERR lib-name cannot be longer than 1024 characters.",
    "ERR lib-ver cannot be longer than 1024 characters.",
  ]);
  assertEquals(self.name.length, 1_024);
});

function lineOf(id: number, ageSeconds: number): string {
  return `id=${id} addr=127.0.0.1:${4000 + id} laddr=127.0.0.1:7001 name= age=${ageSeconds} ` +
    `idle=${ageSeconds} flags=N db=0 cmd=get user=default lib-name=lib lib-ver=1.2 resp=3\n`;
}

Deno.test("CLIENT LIST and INFO tell a line for each connection that is asked for", () => {
  const { clock, run } = start();
  clock.advance(2_999);
  const all = [1, 2, 3].map((id) => lineOf(id, 2)).join("");
  assertEquals([run("list"), run("LIST", "type", "NORMAL")], [all, all]);
  assertEquals(run("list", "id", "3", "1", "9"), lineOf(1, 2) + lineOf(3, 2));
  for (const type of ["master", "pubsub", "replica", "slave"]) {
    assertEquals(run("list", "type", type), "");
  }
  assertEquals(run("info"), lineOf(1, 2));
  const errors = [["type", "x"], ["id", "1", "x"], ["id"], ["nope", "1"], ["type", "normal", "x"]]
    .map((options) => run("list", ...options)).map((reply) =>
      reply instanceof ErrorReply ? reply.text : reply
    );
  assertEquals(errors, [
    "ERR Unknown client type 'x'",
    "ERR Invalid client ID",
    "ERR syntax error",
    "ERR syntax error",
    "ERR syntax error",
  ]);
});

Deno.test("CLIENT KILL with one word kills who has this address", () => {
  const { gone, run } = start();
  assertEquals(run("kill", "127.0.0.1:4002"), OK);
  assertEquals(gone, [2]);
  const reply = run("kill", "127.0.0.1:9");
  assertEquals(reply instanceof ErrorReply && reply.text, "ERR No such client");
});

Deno.test("CLIENT PAUSE with a wrong time or mode pauses nobody", () => {
  const { run } = start();
  const errors = [["1", "all", "x"], ["1", "nope"], ["x"], ["-1"]]
    .map((words) => run("pause", ...words)).map((reply) =>
      reply instanceof ErrorReply ? reply.text : reply
    );
  assertEquals(errors, [
    "ERR syntax error",
    "ERR CLIENT PAUSE mode must be WRITE or ALL",
    "ERR timeout is not an integer or out of range",
    "ERR timeout is negative",
  ]);
});
