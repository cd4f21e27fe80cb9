import { assertEquals } from "@std/assert";
import { formatRule, HASH_FAULT, parseRule, SYNTAX_FAULT, UNKNOWN_FAULT } from "./rule.ts";
import { NO_RIGHTS, READ, READ_AND_WRITE, type Rights, WRITE } from "./user.ts";

const VERIFIER = `scrypt$2$1$1$${"00".repeat(8)}$${"ab".repeat(32)}`;

/** The one text of the rule; the fault if it is none. */
function normal(text: string): string {
  const rule = parseRule(text);
  return typeof rule === "string" ? rule : formatRule(rule);
}

Deno.test("each rule has one text, whatever its case and its aliases", () => {
  for (
    const [text, expected] of [
      ["ON", "on"],
      ["oFf", "off"],
      ["NOPASS", "nopass"],
      ["ResetPass", "resetpass"],
      ["RESET", "reset"],
      ["ClearSelectors", "clearselectors"],
      ["Sanitize-Payload", "sanitize-payload"],
      ["SKIP-sanitize-payload", "skip-sanitize-payload"],
      ["AllKeys", "~*"],
      ["~*", "~*"],
      ["resetKeys", "resetkeys"],
      ["allFiles", "%F~*"],
      ["%f~*", "%F~*"],
      ["resetFILES", "resetfiles"],
      ["AllChannels", "&*"],
      ["resetChannels", "resetchannels"],
      ["AllCommands", "+@all"],
      ["+@ALL", "+@all"],
      ["NoCommands", "-@all"],
      ["+GET", "+get"],
      ["-Config|SET", "-config|set"],
      ["+@Read", "+@read"],
      ["+SELECT|A", "+select|a"],
      ["~Key:*", "~Key:*"],
      ["%rw~Key", "~Key"],
      ["%WR~*", "%RW~*"],
      ["%r~a~b", "%R~a~b"],
      ["%W~", "%W~"],
      ["%R", "%R~"],
      ["%F~a", "%F~a"],
      ["%wf~a", "%FW~a"],
      ["%RWF~a", "%F~a"],
      ["%FRW~*", "%FRW~*"],
      ["&Chan", "&Chan"],
      [`#${VERIFIER}`, `#${VERIFIER}`],
      [`!${VERIFIER}`, `!${VERIFIER}`],
      ["()", "()"],
      ["(  %RW~a   +GET )", "(~a +get)"],
      [`("~a\\x22" '+get' ~b\\)`, `("~a\\"" +get ~b\\)`],
    ] as const
  ) assertEquals(normal(text), expected, text);
});

Deno.test("the text of a rule is read as the same rule", () => {
  const patterns = ["", "*", "a*", `"`, "'", "\\", "a)", "(a", "\xff", "~", "%R~"];
  const rights: readonly Rights[] = [READ, WRITE, READ_AND_WRITE];
  for (const pattern of patterns) {
    for (const kind of ["key", "file"] as const) {
      for (const one of rights) {
        const rule = { kind, pattern, rights: one };
        assertEquals(parseRule(formatRule(rule)), rule);
        const selector = { kind: "selector" as const, rules: [rule, rule] };
        assertEquals(parseRule(formatRule(selector)), selector);
      }
    }
  }
  assertEquals(NO_RIGHTS, 0);
});

Deno.test("malformed rules are refused for Redis's reasons", () => {
  for (
    const text of [
      "foo",
      "on ",
      "on\0",
      "*",
      ")",
      "%",
      "%~a", // CVE-2024-51741 and CVE-2024-31227: Redis took it, and ended when it was shown.
      "%RR~a",
      "%FF~a",
      "%X~a",
      "%R ~a",
      "~a b",
      "~a\0",
      "%R~a\tb",
      "%F~a\n",
      "&a b",
      "+select|a b",
      "+select|a\0",
      "(",
      "(+get",
      "(+get)x",
      "(on)",
      "(>a)",
      `(#${VERIFIER})`,
      "(reset)",
      "((+get))",
      '("+get)',
      '(~"a"b)',
      '("")',
      '("~a b")',
      "(+get\0)",
      "(%~a)",
    ]
  ) assertEquals(parseRule(text), SYNTAX_FAULT, JSON.stringify(text));
  for (const text of ["+get set", "-get\t", "+ |x"]) assertEquals(parseRule(text), UNKNOWN_FAULT);
  for (const text of ["#", "#abc", `#${"A".repeat(64)}`, "!", `!${"a".repeat(63)}`, "#scrypt$"]) {
    assertEquals(parseRule(text), HASH_FAULT);
  }
});

Deno.test("a password is known by its digest only", () => {
  const digest = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
  assertEquals(parseRule(">a"), { kind: "add-password", digest });
  assertEquals(parseRule("<a"), { kind: "remove-password", digest });
  assertEquals(parseRule(`#${digest}`), { kind: "add-password", digest });
  assertEquals(parseRule(`!${digest}`), { kind: "remove-password", digest });
});
