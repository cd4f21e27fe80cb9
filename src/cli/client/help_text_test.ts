import { assertEquals } from "@std/assert";
import { helpText } from "./completion.ts";

Deno.test("help claims for Redis what Redis has, and nothing else", () => {
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
