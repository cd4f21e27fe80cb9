import { assertEquals } from "@std/assert";
import { ACL_CATALOG } from "./acl_catalog.ts";
import { COMMANDS } from "./table.ts";

Deno.test("the catalog has all commands and subcommands", () => {
  for (const command of COMMANDS.flatMap((one) => [one, ...one.subcommands ?? []])) {
    assertEquals(ACL_CATALOG.find(command.name)?.name, command.name);
  }
  assertEquals(ACL_CATALOG.find("nosuch"), undefined);
  assertEquals(ACL_CATALOG.namesIn("nosuch"), null);
});

Deno.test("the category for files has what clients use, and nothing that only nodes send", () => {
  assertEquals(ACL_CATALOG.namesIn("file")?.toSorted(), [
    "file|commit",
    "file|delete",
    "file|help",
    "file|list",
    "file|nodes",
    "file|repair",
    "file|stat",
    "file|where",
  ]);
});

Deno.test("who may read and write keys may not administer", () => {
  for (const category of ["read", "write"]) {
    const both = (ACL_CATALOG.namesIn(category) ?? []).filter((name) =>
      ACL_CATALOG.find(name)?.categories.includes("admin")
    );
    assertEquals(both, [], category);
  }
});
