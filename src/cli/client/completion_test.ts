import { assertEquals, assertStringIncludes } from "@std/assert";
import { COMMANDS } from "../../commands/table.ts";
import { completeLine, helpText, subcommandNames } from "./completion.ts";

Deno.test("command names are completed in the case that was typed", () => {
  assertEquals(completeLine("getr"), [["getrange "], "getr"]);
  assertEquals(completeLine("GETR"), [["GETRANGE "], "GETR"]);
  assertEquals(completeLine("Getr"), [["getrange "], "Getr"]);
  assertEquals(completeLine("qu"), [["quit "], "qu"]);
  assertEquals(completeLine("nothing-like-it"), [[], "nothing-like-it"]);
  assertEquals(completeLine(""), [[], ""]);
  for (const { name } of COMMANDS) assertEquals(completeLine(name)[0].includes(`${name} `), true);
});

Deno.test("subcommands and topics of help are completed too", () => {
  assertEquals(completeLine("cluster no"), [["nodes "], "no"]);
  assertEquals(completeLine("CLUSTER NO"), [["NODES "], "NO"]);
  assertEquals(completeLine("CONFIG "), [["GET ", "HELP ", "RESETSTAT ", "REWRITE ", "SET "], ""]);
  assertEquals(completeLine("help getr"), [["getrange "], "getr"]);
  assertEquals(completeLine("get k"), [[], "k"]);
  assertEquals(completeLine("cluster nodes i"), [[], "i"]);
});

Deno.test("help explains the client, groups, and each command", () => {
  const general = helpText(undefined);
  for (const { name, group, summary } of COMMANDS) {
    assertStringIncludes(general, ` ${name.toUpperCase()}`);
    assertStringIncludes(helpText(name.toUpperCase()), summary);
    assertStringIncludes(helpText(`@${group}`), summary);
  }
  assertStringIncludes(helpText("cluster"), "NODES");
  assertStringIncludes(helpText("bogus"), "No command is named bogus");
  assertStringIncludes(helpText("@bogus"), "No group is named bogus");
});

Deno.test("help names Redis only for commands that Redis has", () => {
  const origin = (name: string) => /^ {2}group +(.*)$/m.exec(helpText(name))?.[1];
  assertEquals(origin("GET"), "string, in Redis since 1.0.0");
  assertEquals(origin("copy"), "generic, in Redis since 6.2.0");
  for (const own of ["ONCE", "SESSION"]) {
    assertEquals(origin(own), "session, Regent's own since 0.1.0");
  }
  for (const own of ["FAULT", "SNAPSHOT"]) {
    assertEquals(origin(own), "server, Regent's own since 0.1.0");
  }
});

Deno.test("an unknown command has no subcommands", () => {
  assertEquals(subcommandNames("nosuch"), []);
});
