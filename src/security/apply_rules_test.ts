import { assertEquals, assertStringIncludes } from "@std/assert";
import { refusalOf, userWith, weakVerifier } from "../../tests/support/acl_user.ts";
import { applyRules } from "./apply_rules.ts";
import { listLine } from "./describe.ts";
import { DEFAULT_USER, newUser } from "./user.ts";
import { passwordDigest } from "./verifier.ts";

/** The rules for commands as shown after these rules. */
function commandsAfter(rules: string): string {
  const { startsWithAll, rules: kept } = userWith(rules).root.commands;
  return [startsWithAll ? "+@all" : "-@all", ...kept].join(" ");
}

Deno.test("a rule for commands replaces those that it decides again, as in Redis 7.2", () => {
  for (
    const [rules, expected] of [
      ["-@all +@read +get -config|set", "-@all +@read +get -config|set"],
      ["+get +set", "-@all +get +set"],
      ["+get +set -get", "-@all +set -get"],
      ["+GET +get", "-@all +get"],
      ["+@read -get +@read", "-@all -get +@read"],
      ["+@read -@read", "-@all -@read"],
      ["+get +@all", "+@all"],
      ["+@all -get nocommands", "-@all"],
      ["+@all -config|set +config", "+@all +config"],
      ["-config|set -config|get +config|set", "-@all -config|get +config|set"],
      ["+config|get -config", "-@all -config"],
      ["-config +config|get", "-@all -config +config|get"],
      ["+select|0 +select|1 +select|0", "-@all +select|1 +select|0"],
      ["+select|0 +select", "-@all +select"],
      ["+select +select|A", "-@all +select +select|a"],
      ["+select|0 -@connection", "-@all +select|0 -@connection"],
      ["+set +get +del -set", "-@all +get +del -set"],
      ["allcommands -@admin", "+@all -@admin"],
    ] as const
  ) assertEquals(commandsAfter(rules), expected, rules);
});

Deno.test("patterns are kept in order, and their rights are united", () => {
  const { root } = userWith("%R~a ~b %W~a &x &y &x %FR~f %FW~f ~b");
  assertEquals(root.keys.patterns, [
    { pattern: "a", rights: 3 },
    { pattern: "b", rights: 3 },
  ]);
  assertEquals(root.files.patterns, [{ pattern: "f", rights: 3 }]);
  assertEquals(root.channels.patterns, ["x", "y"]);
  const all = userWith("~a %F~a &a allkeys allfiles allchannels").root;
  assertEquals([all.keys, all.files, all.channels], [
    { isAll: true, patterns: [] },
    { isAll: true, patterns: [] },
    { isAll: true, patterns: [] },
  ]);
});

Deno.test("a rule about keys says nothing about files, and the other way round", () => {
  const { keys, files } = userWith("allkeys").root;
  assertEquals([keys.isAll, files.isAll, files.patterns.length], [true, false, 0]);
  const user = userWith("~* %F~* resetkeys").root;
  assertEquals([user.keys.isAll, user.files.isAll], [false, true]);
  assertEquals(userWith("~* %F~* resetfiles").root.files.isAll, false);
});

Deno.test("reset takes everything", () => {
  const user = userWith("on >a ~a %F~a &a +get (+get) skip-sanitize-payload reset");
  assertEquals(user, { ...newUser("u"), sanitizing: "sanitize" });
  assertEquals(listLine(user), "user u off sanitize-payload resetchannels -@all");
  assertEquals(
    listLine(applyRules(DEFAULT_USER, "default", ["reset"])),
    "user default off sanitize-payload resetchannels -@all",
  );
});

Deno.test("clearselectors leaves the permissions outside", () => {
  const user = userWith("+get (+set) (~a) clearselectors (+del)");
  assertEquals(user.selectors.map(({ commands }) => commands.rules), [["+del"]]);
  assertEquals(user.root.commands.rules, ["+get"]);
});

Deno.test("rules that came too late have no effect, and refuse nothing", () => {
  const user = userWith("~* %F~* &*");
  const verifier = weakVerifier(passwordDigest("a"));
  assertEquals(applyRules(user, "u", ["~a", "%F~a", "&a", `!${verifier}`]), user);
});

Deno.test("what was not checked is refused", () => {
  for (
    const rule of ["", "foo", "~a b", ">a", "<a", `#${passwordDigest("a")}`, "%~a", "(on)", "(>a)"]
  ) {
    const text = refusalOf(() => applyRules(null, "u", ["on", rule])) ?? "";
    assertStringIncludes(text, "ERR Unknown rule '");
    assertEquals(text.includes(">a") || text.includes("<a"), false);
  }
});

Deno.test("requests at the same time cannot make a user without bound", () => {
  const add = (count: number, length: number) =>
    refusalOf(() =>
      applyRules(
        null,
        "u",
        Array.from({ length: count }, (_, at) => `~${at}${"a".repeat(length)}`),
      )
    );
  assertEquals(add(1000, 1000), null);
  assertStringIncludes(add(1100, 1000) ?? "", "too many rules");
  assertStringIncludes(add(8_193, 0) ?? "", "too many rules");
});

Deno.test("a user never changes", () => {
  const user = userWith("on ~a %F~a &a +get (+get) >a");
  const before = structuredClone(user);
  applyRules(user, "u", ["off", "~b", "%W~a", "&b", "-get", "clearselectors", "resetpass"]);
  assertEquals(user, before);
});
