import { assertEquals, assertThrows } from "@std/assert";
import {
  changedUser,
  digestOf,
  refusalOf,
  SMALL_CATALOG,
  userWith,
  weakVerifier,
} from "../../tests/support/acl_user.ts";
import { AssertionFailure } from "../base/errors.ts";
import { checkRules, checkUserName, finishRules } from "./check_rules.ts";
import { listLine } from "./describe.ts";
import { newUser, type User } from "./user.ts";
import { passwordDigest } from "./verifier.ts";

/** The refusal of rules for a user, by default a new one. */
function refusal(rules: readonly string[], user: User | null = null): string | null {
  return refusalOf(() => checkRules(SMALL_CATALOG, user, rules));
}

function modifier(rule: string, reason: string): string {
  return `ERR Error in ACL SETUSER modifier '${rule}': ${reason}`;
}

const SYNTAX = "Syntax error";
const UNKNOWN = "Unknown command or category name in ACL";
const NO_PASSWORD = "The password you are trying to remove from the user does not exist";

Deno.test("commands and categories have to exist, in any case", () => {
  for (
    const rule of ["+GET", "-config|SET", "+@ReaD", "-@file", "+select|x", "+get|a", "-config"]
  ) {
    assertEquals(refusal([rule]), null, rule);
  }
  for (
    const [rule, reason] of [
      ["+nosuch", UNKNOWN],
      ["-nosuch", UNKNOWN],
      ["+", UNKNOWN],
      ["-", UNKNOWN],
      ["+@nosuch", UNKNOWN],
      ["+@", UNKNOWN],
      ["-@@all", UNKNOWN],
      ["+config|nosuch", UNKNOWN],
      ["-config|nosuch", UNKNOWN],
      ["-select|0", UNKNOWN],
      ["+|x", UNKNOWN],
      ["+nosuch|x", UNKNOWN],
      ["+select|a|b", UNKNOWN],
      ["+config|get|x|y", UNKNOWN],
      ["+config|", SYNTAX],
      ["+select|", SYNTAX],
      ["+config|get|x", "Allowing first-arg of a subcommand is not supported"],
      ["foo", SYNTAX],
      ["%~a", SYNTAX],
    ] as const
  ) assertEquals(refusal([rule]), modifier(rule, reason));
});

Deno.test("a pattern cannot be added to all of them", () => {
  for (
    const [all, flag, reset, what, rules] of [
      ["~*", "allkeys", "resetkeys", "patterns", ["~a", "%R~a", "~a b", "%X~a"]],
      ["%F~*", "allfiles", "resetfiles", "patterns", ["%F~a", "%RF~a", "%F~a b"]],
      ["&*", "allchannels", "resetchannels", "channels", ["&a", "&a b"]],
    ] as const
  ) {
    const reason = `Adding a pattern after the * pattern (or the '${flag}' flag) is not valid ` +
      `and does not have any effect. Try '${reset}' to start with an empty list of ${what}`;
    for (const rule of rules) {
      assertEquals(refusal([all, rule]), modifier(rule, reason));
      assertEquals(refusal([rule], userWith(all)), modifier(rule, reason));
      assertEquals(refusal([`(${all} ${rule.split(" ")[0]})`])?.endsWith(reason), true);
    }
    const [rule = ""] = rules;
    assertEquals(refusal([all, reset, rule]), null);
    assertEquals(refusal([all, `(${rule})`]), null, "a selector begins empty");
    assertEquals(refusal([all, all]), null);
  }
  // The three kinds have nothing to do with each other.
  assertEquals(refusal(["~*", "%F~a", "&a"]), null);
  assertEquals(refusal(["%RW~*", "~a"]), null);
});

Deno.test("the first wrong rule is named, and empty ones are passed over", () => {
  assertEquals(refusal(["", "on", "foo", "bar"]), modifier("foo", SYNTAX));
  assertEquals(refusal(["(+get foo)"]), modifier("(+get foo)", SYNTAX));
  assertEquals(refusal(["(+get", "+nosuch)"]), modifier("(+get +nosuch)", UNKNOWN));
  assertEquals(refusal(["(+get >secret)"]), modifier("(+get >***)", SYNTAX));
  assertEquals(refusal(["a\r\nb\0c"]), modifier("a  b c", SYNTAX));
  assertEquals(refusal(["x".repeat(500)]), modifier("x".repeat(128), SYNTAX));
});

Deno.test("a selector may be several arguments", () => {
  const expected = listLine(userWith("on")) + " (~a resetchannels -@all +get)";
  for (const rules of [["(~a +get)"], ["(~a", "+get)"], ["(", "~a", "+get", ")"]]) {
    assertEquals(listLine(changedUser(SMALL_CATALOG, null, "u", ["on", ...rules])), expected);
  }
  const unmatched = (text: string) =>
    `ERR Unmatched parenthesis in acl selector starting at '${text}'.`;
  assertEquals(refusal(["("]), unmatched("("));
  assertEquals(refusal(["on", "(+get", "+set"]), unmatched("(+get"));
  assertEquals(refusal(["(+get", "", "+set"]), unmatched("(+get"));
  assertEquals(refusal(["(+get", "(+set", ")"]), unmatched("(+get"));
  assertEquals(refusal(["foo", "(+get"]), unmatched("(+get"), "before all other errors");
  assertEquals(refusal(["+get)"]), modifier("+get)", UNKNOWN));
  assertEquals(refusal(["(+get", "(+set)"]), modifier("(+get (+set)", SYNTAX));
});

Deno.test("names of users have no white space", () => {
  const error = "ERR Usernames can't contain spaces or null characters";
  for (const name of ["a b", "a\0", "\t", "a\n"]) {
    assertEquals(refusalOf(() => checkUserName(name)), error);
  }
  for (const name of ["", "a".repeat(257)]) {
    assertEquals(refusalOf(() => checkUserName(name)), "ERR Usernames have 1 to 256 bytes");
  }
  for (const name of ["a", "default", "\xff", "a".repeat(256)]) {
    assertEquals(refusalOf(() => checkUserName(name)), null);
  }
});

Deno.test("passwords become verifiers, and an existing one is used again", () => {
  const [a, b] = [passwordDigest("a"), passwordDigest("b")];
  const checked = checkRules(SMALL_CATALOG, null, [">a", `#${b}`, ">a", "<a"]);
  assertEquals(checked.passwords, [{ digest: a, isAdded: true }, { digest: b, isAdded: true }]);
  const verifiers = new Map([[a, [weakVerifier(a)]], [b, [weakVerifier(b)]]]);
  assertEquals(finishRules(null, checked, verifiers), [
    `#${weakVerifier(a)}`,
    `#${weakVerifier(b)}`,
    `#${weakVerifier(a)}`,
    `!${weakVerifier(a)}`,
  ]);
  const user = userWith(">a >b nopass >a");
  assertEquals(user.verifiers.map(digestOf), [a]);
  assertEquals(user.needsNoPassword, false);
  assertEquals(userWith(`>b >a #${a}`, user).verifiers.map(digestOf), [a, b]);
  assertEquals(userWith("<a", user).verifiers, []);
  assertEquals(userWith(`!${a}`, user).verifiers, []);
  const [verifier = ""] = user.verifiers;
  assertEquals(userWith(`!${verifier} #${verifier}`, user).verifiers, [verifier]);
  assertEquals(userWith("resetpass", user).verifiers, []);
  assertEquals(userWith("nopass", user), { ...user, verifiers: [], needsNoPassword: true });
});

Deno.test("all verifiers of a password go with it", () => {
  const digest = passwordDigest("a");
  const other = weakVerifier(digest).replace("$2$", "$4$");
  const user = userWith(`>a #${other}`);
  assertEquals(user.verifiers.length, 2);
  const checked = checkRules(SMALL_CATALOG, user, ["<a"]);
  assertEquals(checked.passwords, [{ digest, isAdded: false }]);
  assertEquals(
    finishRules(user, checked, new Map([[digest, [other, weakVerifier(digest), "gone"]]])),
    [`!${other}`, `!${weakVerifier(digest)}`],
  );
});

Deno.test("a password that is not there cannot be removed, and no error repeats one", () => {
  const digest = passwordDigest("a");
  assertEquals(refusal(["<secret"]), modifier("<***", NO_PASSWORD));
  assertEquals(refusal([`!${digest}`]), modifier(`!${digest}`, NO_PASSWORD));
  assertEquals(refusal([">a", "resetpass", "<a"]), modifier("<***", NO_PASSWORD));
  assertEquals(refusal([">a", "<a", "<a"]), modifier("<***", NO_PASSWORD));
  assertEquals(
    refusal([`!${weakVerifier(digest)}`]),
    modifier(`!${weakVerifier(digest)}`, NO_PASSWORD),
  );
  // With another password there, only the verifiers can tell.
  const user = userWith(">b");
  const checked = checkRules(SMALL_CATALOG, user, ["<a"]);
  assertEquals(
    refusalOf(() => finishRules(user, checked, new Map([[digest, []]]))),
    modifier("<***", NO_PASSWORD),
  );
  const added = checkRules(SMALL_CATALOG, user, [">a"]);
  assertThrows(() => finishRules(user, added, new Map()), AssertionFailure);
});

Deno.test("no password and no digest is replicated", () => {
  const rules = [">a", "<a", `#${passwordDigest("b")}`, `!${passwordDigest("b")}`];
  const checked = checkRules(SMALL_CATALOG, null, rules);
  const verifiers = new Map(checked.passwords.map(({ digest }) => [
    digest,
    [weakVerifier(passwordDigest(digest))],
  ]));
  for (const text of finishRules(null, checked, verifiers)) {
    assertEquals(/^[#!]scrypt\$/.test(text), true, text);
    assertEquals(text.includes(passwordDigest("a")) || text.includes(passwordDigest("b")), false);
  }
});

Deno.test("rules, selectors, patterns, passwords and sizes are bounded", () => {
  const many = (count: number, rule: (at: number) => string) =>
    Array.from({ length: count }, (_, at) => rule(at));
  const tooMany = "ERR Too many rules, more than 1024 or 65536 bytes at once";
  assertEquals(refusal(many(1025, () => "on")), tooMany);
  assertEquals(refusal(many(1024, () => "on")), null);
  assertEquals(refusal([`(${many(1025, () => "+get").join(" ")})`]), tooMany);
  assertEquals(refusal(many(20, (at) => `~${at}${"a".repeat(4000)}`)), tooMany);
  const above = (what: string, max: number) =>
    `ERR The user would have too many ${what}, more than ${max}`;
  assertEquals(refusal(many(9, (at) => `>${at}`)), above("passwords", 8));
  assertEquals(refusal(many(8, (at) => `>${at}`)), null);
  assertEquals(
    refusal(many(17, (at) => `>${at}`).concat("resetpass")),
    above("passwords in one request", 16),
  );
  assertEquals(refusal(many(65, () => "()")), above("selectors", 64));
  const user = changedUser(SMALL_CATALOG, null, "u", many(1000, (at) => `~${at}`));
  assertEquals(refusal(many(25, (at) => `&${at}`), user), above("patterns", 1024));
  assertEquals(refusal(many(25, (at) => `%F~${at}`), user), above("patterns", 1024));
  assertEquals(
    refusal([`(${many(25, (at) => `~${at}`).join(" ")})`], user),
    above("patterns", 1024),
  );
  assertEquals(refusal(many(24, (at) => `&${at}`), user), null);
  const commands = changedUser(SMALL_CATALOG, null, "u", many(1000, (at) => `+get|${at}`));
  assertEquals(refusal(many(25, (at) => `+set|${at}`), commands), above("command rules", 1024));
  const long = "~" + "a".repeat(4097);
  assertEquals(
    refusal([long]),
    modifier(long.slice(0, 128), "The pattern is too long, more than 4096 bytes"),
  );
  const large = changedUser(
    SMALL_CATALOG,
    null,
    "u",
    many(15, (at) => `~${at}${"a".repeat(4000)}`),
  );
  assertEquals(
    refusal(many(2, (at) => `&${at}${"a".repeat(4000)}`), large),
    above("bytes of rules", 65536),
  );
});

Deno.test("checking changes nothing", () => {
  const user = newUser("u");
  const before = structuredClone(user);
  checkRules(SMALL_CATALOG, user, ["on", "~a", ">a", "(+get)", "+@all"]);
  assertEquals(user, before);
});
