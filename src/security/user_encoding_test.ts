import { assertEquals } from "@std/assert";
import { userWith } from "../../tests/support/acl_user.ts";
import { applyRules } from "./apply_rules.ts";
import { APPLIED_ITEMS_MAX } from "./limits.ts";
import { DEFAULT_USER, newUser, type User } from "./user.ts";
import { decodeUser, encodeUser } from "./user_encoding.ts";

/** Through JSON, as in a snapshot. */
function copyOf(user: User): User | null {
  return decodeUser(JSON.parse(JSON.stringify(encodeUser(user))));
}

Deno.test("a snapshot holds a user exactly", () => {
  for (
    const user of [
      DEFAULT_USER,
      newUser("\xff\xfe"),
      userWith('on >a >b ~a\xff %R~" &c +@all -get +select|0 skip-sanitize-payload'),
      userWith(`sanitize-payload nopass (~a "%W~b)" "%F~'") (~*) () allfiles`),
    ]
  ) assertEquals(copyOf(user), user);
});

Deno.test("the largest user that can be is read again", () => {
  const rules = Array.from({ length: APPLIED_ITEMS_MAX / 2 }, () => "()");
  const user = applyRules(null, "u", ["on", "nopass", ...rules]);
  assertEquals(copyOf(user)?.selectors.length, rules.length);
  const patterns = Array.from({ length: APPLIED_ITEMS_MAX }, (_, at) => `~${at}`);
  assertEquals(copyOf(applyRules(null, "u", patterns))?.root.keys.patterns.length, patterns.length);
});

Deno.test("nothing else is a user", () => {
  const valid = [...encodeUser(userWith("on ~a +get (+set)"))];
  assertEquals(decodeUser(valid) === null, false);
  for (
    const fields of [
      null,
      {},
      "user",
      [],
      [""],
      ["u"],
      ["u", "off"],
      ["a b", "off", "resetchannels", "-@all"],
      ["u".repeat(257), "off", "resetchannels", "-@all"],
      ["u", "off", "resetchannels", "-@all", ""],
      ["u", "off", "resetchannels", "-@all", "-@all"],
      ["u", "on", "off", "resetchannels", "-@all"],
      ["u", "off", "-@all", "resetchannels"],
      ["u", "off", "resetchannels", "-@all", "+GET"],
      ["u", "off", "resetchannels", "-@all", "+get", "-get"],
      ["u", "off", "resetchannels", "-@all", "+select|0 +@all"],
      ["u", "off", "~a", "~a", "resetchannels", "-@all"],
      ["u", "off", "~*", "~a", "resetchannels", "-@all"],
      ["u", "off", "%~a", "resetchannels", "-@all"],
      ["u", "off", ">a", "resetchannels", "-@all"],
      ["u", "off", `#${"a".repeat(64)}`, "resetchannels", "-@all"],
      ["u", "off", "resetchannels", "-@all", "(+get)"],
      ["u", "off", "resetchannels", "-@all", "(", "+get)"],
      ["u", "off", "~\u0100", "resetchannels", "-@all"],
      [1, "off", "resetchannels", "-@all"],
      [...valid, null],
      valid.slice(0, -2).concat("x"),
      Array.from({ length: 100_000 }, (_, at) => `~${at}`),
    ]
  ) assertEquals(decodeUser(fields), null, JSON.stringify(fields)?.slice(0, 80));
});
