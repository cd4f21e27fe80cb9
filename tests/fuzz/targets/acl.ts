import { assert, assertEquals } from "@std/assert";
import { type Random, randomInteger } from "../../../src/base/random.ts";
import { ACL_CATALOG } from "../../../src/commands/acl_catalog.ts";
import { encodeReply } from "../../../src/resp/encode.ts";
import {
  AclError,
  type AclRequest,
  applyRules,
  check,
  decodeUser,
  encodeUser,
  getUserReply,
  listLine,
  noPermission,
  permissionOf,
  READ,
  type User,
  WRITE,
} from "../../../src/security/mod.ts";
import { changedUser } from "../../support/acl_user.ts";
import type { FuzzTarget } from "../fuzz_target.ts";

/** Separates the rules. */
const SEPARATOR = "\n";
const VERIFIER = `scrypt$2$1$1$${"00".repeat(8)}$${"ab".repeat(32)}`;
const RULES = [
  ..."on off nopass resetpass reset clearselectors sanitize-payload skip-sanitize-payload".split(
    " ",
  ),
  ..."allkeys resetkeys allfiles resetfiles allchannels resetchannels allcommands -@all".split(" "),
  ..."+get -get +@read -@write +config|get -config +set|x +config|get|x +|| +@ -@ + -".split(" "),
  ..."~a* ~ %R~a %W~b %RW~* %F~f %FR~* %FW~ %~a % %R %RR~a ~a) ~(a &a* & &a\"b ~'a".split(" "),
  ...'( ) () (+get) (~a (+get (( )) (%~a) (%R) (~"a\\x41" +get) (\') ("'.split(" "),
  ..."> < >a <a # ! #a".split(" "),
  `#${VERIFIER}`,
  `!${VERIFIER}`,
  `#${"ab".repeat(32)}`,
  "",
];
const NAMES = ["", "a", "ab", "b", "f", "*", "\xff"];
const COMMANDS = ["get", "set", "config|get", "nosuch", "auth"];

/** Rules of users: they are refused, or make a user whom all forms describe in the same way. */
export const acl: FuzzTarget = {
  name: "acl",
  words: [...RULES, SEPARATOR, " ", "|", "~", "%", '"', "\\x", "\0"],
  sample(random: Random) {
    const count = 1 + randomInteger(random, 12);
    return Array.from({ length: count }, () => RULES[randomInteger(random, RULES.length)])
      .join(random() < 0.9 ? SEPARATOR : " ");
  },
  run(input) {
    const rules = input.split(SEPARATOR);
    const half = Math.floor(rules.length / 2);
    const first = refusedOr(() => changedUser(ACL_CATALOG, null, "u", rules.slice(0, half)));
    const user = refusedOr(() => changedUser(ACL_CATALOG, first, "u", rules.slice(half)));
    const applied = refusedOr(() => applyRules(first, "u", rules));
    for (const one of [first, user, applied]) if (one !== null) checkUser(one);
    if (user !== null) {
      const words = listLine(user).split(" ").slice(2);
      assertEquals(changedUser(ACL_CATALOG, null, "u", words), user, "another user by its line");
    }
    const decoded = decodeUser(rules);
    if (decoded !== null) assertEquals(encodeUser(decoded), rules);
  },
};

function checkUser(user: User): void {
  const fields = JSON.parse(JSON.stringify(encodeUser(user)));
  assertEquals(decodeUser(fields), user, "another user in the snapshot");
  encodeReply(getUserReply(user), 3);
  const permission = permissionOf(ACL_CATALOG, user);
  for (const command of COMMANDS) {
    for (const name of NAMES) {
      const denial = check(permission, requestOf(command, name));
      if (denial !== null) assert(noPermission(denial).startsWith("NOPERM "));
      if (permission.isUnlimited) assertEquals(denial, null);
      const isAlwaysAllowed = command === "auth" || user.root.commands.startsWithAll ||
        user.root.commands.rules.length > 0 || user.selectors.length > 0;
      if (!isAlwaysAllowed) assertEquals(denial, { kind: "command", object: command });
    }
  }
}

function requestOf(command: string, name: string): AclRequest {
  return {
    command,
    firstArgument: name,
    keys: [{ name, rights: READ }],
    files: [{ name, rights: WRITE }],
    channels: [{ name, isPattern: false }, { name, isPattern: true }],
  };
}

/** `null` if it is refused, with an error that can be sent. Other errors are failures. */
function refusedOr<T>(make: () => T): T | null {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof AclError)) throw error;
    assert(/^ERR [^\r\n\0]+$/.test(error.text), error.text);
    return null;
  }
}
