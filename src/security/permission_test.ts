import { assert, assertEquals } from "@std/assert";
import { SMALL_CATALOG, userWith } from "../../tests/support/acl_user.ts";
import { CommandCatalog } from "./catalog.ts";
import {
  type AclRequest,
  allowsChannel,
  allowsWithAllKeys,
  check,
  type Denial,
  dryRunText,
  noPermission,
  type Permission,
  permissionOf,
  rightsOfFlags,
} from "./permission.ts";
import { DEFAULT_USER, NO_RIGHTS, READ, READ_AND_WRITE, type Rights, WRITE } from "./user.ts";

function permissionWith(rules: string): Permission {
  return permissionOf(SMALL_CATALOG, userWith(rules));
}

function requestOf(command: string, rest: Partial<AclRequest> = {}): AclRequest {
  return { command, firstArgument: undefined, keys: [], files: [], channels: [], ...rest };
}

function keysOf(...uses: readonly (readonly [string, Rights])[]): Pick<AclRequest, "keys"> {
  return { keys: uses.map(([name, rights]) => ({ name, rights })) };
}

/** The allowed ones of the small catalog's commands. */
function allowedWith(rules: string): string {
  const permission = permissionWith(rules);
  return SMALL_CATALOG.commands.flatMap((one) => [one, ...one.subcommands])
    .map(({ name }) => name)
    .filter((name) => check(permission, requestOf(name)) === null)
    .join(" ");
}

/** Whether these rules allow a use of one key. */
function allowsKey(rules: string, name: string, rights: Rights): boolean {
  return check(permissionWith(`+@all ${rules}`), requestOf("get", keysOf([name, rights]))) === null;
}

Deno.test("commands are allowed by names and categories, in the order of the rules", () => {
  const all = "auth config config|get config|set del file file|delete file|stat get select set";
  for (
    const [rules, expected] of [
      ["on", "auth"],
      ["+@all", all],
      ["+@all -@all", "auth"],
      ["+get", "auth get"],
      ["+@read", "auth file|stat get"],
      ["+@read -get", "auth file|stat"],
      ["-get +@read", "auth file|stat get"],
      ["+@write +get -del", "auth file|delete get set"],
      ["+config", "auth config config|get config|set"],
      ["+config|get", "auth config|get"],
      ["+config -config|set", "auth config config|get"],
      ["+@all -config +config|get", all.replace("config ", "").replace("config|set ", "")],
      ["+@admin", "auth config|get config|set"],
      // A container brings its subcommands, whatever their categories.
      ["+@slow -@slow +@fast", "auth get select"],
      ["+@all -@slow", "auth get select"],
      ["+@file", "auth file|delete file|stat"],
      ["+@all -@file", all.replace(" file|delete file|stat", "")],
      ["+@all -auth", all],
      ["+select|0", "auth"],
    ] as const
  ) assertEquals(allowedWith(rules), expected, rules);
});

Deno.test("names of other versions have no effect", () => {
  const old = new CommandCatalog(["read"], [
    { name: "get", categories: ["read"], isAlwaysAllowed: false, subcommands: [] },
  ]);
  for (const rules of ["+@write +set +config|get +select|0 +get", "+@all -set -config|set"]) {
    const permission = permissionOf(old, userWith(rules));
    assertEquals(check(permission, requestOf("get")), null);
    assert(check(permission, requestOf("set")) !== null);
    assert(check(permission, requestOf("select", { firstArgument: "0" })) !== null);
  }
});

Deno.test("a command may be allowed only with some first arguments", () => {
  const allows = (rules: string, firstArgument?: string) =>
    check(permissionWith(rules), requestOf("select", { firstArgument })) === null;
  assertEquals(allows("+select|0 +select|Two", "0"), true);
  assertEquals(allows("+select|0 +select|Two", "tWO"), true);
  assertEquals(allows("+select|0", "1"), false);
  assertEquals(allows("+select|0"), false);
  assertEquals(allows("+select|0 -select", "0"), false);
  assertEquals(allows("+select|0 -@connection", "0"), false);
  assertEquals(allows("+select|0 +select", "1"), true);
  assertEquals(allows("+select|\xc9", "\xc9"), true);
  assertEquals(allows("+select|\xc9", "\xe9"), false, "bytes are no letters");
});

Deno.test("keys need a pattern that gives all rights at once", () => {
  assertEquals(allowsKey("~a*", "ab", READ_AND_WRITE), true);
  assertEquals(allowsKey("~a*", "b", NO_RIGHTS), false);
  assertEquals(allowsKey("%R~a*", "ab", READ), true);
  assertEquals(allowsKey("%R~a*", "ab", WRITE), false);
  assertEquals(allowsKey("%R~a*", "ab", NO_RIGHTS), true);
  assertEquals(allowsKey("%W~a*", "ab", NO_RIGHTS), true);
  assertEquals(allowsKey("%W~a*", "ab", READ), false);
  assertEquals(allowsKey("%R~a* %W~*b", "ab", READ_AND_WRITE), false);
  assertEquals(allowsKey("%R~a* %W~a*", "ab", READ_AND_WRITE), true);
  assertEquals(allowsKey("~[ab]?", "b1", READ), true);
  assertEquals(allowsKey("~a", "a", READ), true);
  assertEquals(allowsKey("~a", "ab", READ), false);
  assertEquals(allowsKey("~a\\*", "a*", READ), true);
  assertEquals(allowsKey("~a\\*", "ab", READ), false);
  // In Redis, only the empty pattern and the rule for all keys match the empty key.
  assertEquals(allowsKey("~*", "", READ), true);
  assertEquals(allowsKey("%RW~*", "", READ), false);
  assertEquals(allowsKey("~", "", READ), true);
  assertEquals(allowsKey("on", "a", NO_RIGHTS), false);
});

Deno.test("every key of a request is checked, and the denied one is named", () => {
  const permission = permissionWith("+@all ~a* %R~b*");
  const request = requestOf("set", keysOf(["a", WRITE], ["b", READ], ["b2", WRITE], ["c", READ]));
  assertEquals(check(permission, request), { kind: "key", object: "b2" });
  assertEquals(
    check(permission, requestOf("set", keysOf(["a", WRITE], ["b", READ]))),
    null,
  );
});

Deno.test("files have rules of their own", () => {
  const fileRequest = (name: string, rights: Rights) =>
    requestOf("file|stat", { files: [{ name, rights }] });
  const allows = (rules: string, name: string, rights: Rights) =>
    check(permissionWith(`+@all ${rules}`), fileRequest(name, rights)) === null;
  assertEquals(allows("%F~music/*", "music/a.mp3", READ_AND_WRITE), true);
  assertEquals(allows("%F~music/*", "notes.txt", READ), false);
  assertEquals(allows("%FR~*", "a", READ), true);
  assertEquals(allows("%FR~*", "a", WRITE), false);
  assertEquals(allows("%FW~*", "a", WRITE), true);
  assertEquals(allows("allfiles", "a", READ_AND_WRITE), true);
  assertEquals(allows("allkeys", "a", READ), false);
  assertEquals(allows("~a", "a", READ), false);
  assertEquals(allowsKey("allfiles", "a", READ), false);
  assertEquals(check(permissionWith("+@all ~*"), fileRequest("a", READ)), {
    kind: "file",
    object: "a",
  });
});

Deno.test("channels match a pattern, and a pattern only the same one", () => {
  const allows = (rules: string, name: string, isPattern: boolean) =>
    check(
      permissionWith(`+@all ${rules}`),
      requestOf("get", { channels: [{ name, isPattern }] }),
    ) === null;
  assertEquals(allows("&news.*", "news.a", false), true);
  assertEquals(allows("&news.*", "other", false), false);
  assertEquals(allows("&news.*", "news.*", true), true);
  assertEquals(allows("&news.*", "news.a", true), false);
  assertEquals(allows("&news.*", "*", true), false);
  assertEquals(allows("&*", "*", true), true);
  assertEquals(allows("on", "a", false), false);
  const permission = permissionWith("&a* (&b*)");
  const allowed = ["a1", "b1", "c"].filter((name) =>
    allowsChannel(permission, { name, isPattern: false })
  );
  assertEquals(allowed, ["a1", "b1"], "whatever the commands");
});

Deno.test("one selector has to allow the whole request", () => {
  const permission = permissionWith("+get ~a (+set ~b) (+@write %W~c &x)");
  const denial = (command: string, rest: Partial<AclRequest> = {}) =>
    check(permission, requestOf(command, rest));
  assertEquals(denial("get", keysOf(["a", READ])), null);
  assertEquals(denial("set", keysOf(["b", WRITE])), null);
  assertEquals(denial("set", keysOf(["c", WRITE])), null);
  assertEquals(denial("set", keysOf(["a", WRITE])), { kind: "key", object: "a" });
  assertEquals(denial("set", keysOf(["b", WRITE], ["c", WRITE])), { kind: "key", object: "c" });
  assertEquals(denial("select"), { kind: "command", object: "select" });
  assertEquals(denial("config|get"), { kind: "command", object: "config|get" });
  const channels = [{ name: "y", isPattern: false }];
  assertEquals(denial("set", { ...keysOf(["c", WRITE]), channels }), {
    kind: "channel",
    object: "y",
  });
});

Deno.test("the lists of a request are read once, and only if they matter", () => {
  const reads: string[] = [];
  const request: AclRequest = {
    command: "set",
    firstArgument: undefined,
    get keys() {
      reads.push("keys");
      return [{ name: "k", rights: WRITE }];
    },
    get files() {
      reads.push("files");
      return [];
    },
    get channels() {
      reads.push("channels");
      return [];
    },
  };
  check(permissionOf(SMALL_CATALOG, DEFAULT_USER), request);
  check(permissionWith("-@all ~a"), request);
  assertEquals(reads, []);
  check(permissionWith("+set ~*  allchannels".replace("  ", " ")), request);
  assertEquals(reads, ["files"]);
  reads.length = 0;
  check(permissionWith("+set ~a (+set ~b) (+set ~k)"), request);
  assertEquals(reads, ["keys", "files", "channels"]);
});

Deno.test("a user who may do everything is recognized", () => {
  const isUnlimited = (rules: string) => permissionWith(rules).isUnlimited;
  assertEquals(permissionOf(SMALL_CATALOG, DEFAULT_USER).isUnlimited, true);
  assertEquals(isUnlimited("+@all ~* %F~* &*"), true);
  assertEquals(isUnlimited("(+@all ~* %F~* &*)"), true);
  assertEquals(isUnlimited("+@all ~* &*"), false);
  assertEquals(isUnlimited("+@all -get ~* %F~* &*"), false);
  assertEquals(isUnlimited("+@all %RW~* %F~* &*"), false);
  assertEquals(isUnlimited("+@all ~* %F~*"), false);
});

Deno.test("options that read keys which nobody lists need all keys", () => {
  const request = requestOf("get", keysOf(["a", READ]));
  const allows = (rules: string, rights: Rights) =>
    allowsWithAllKeys(permissionWith(rules), request, rights);
  assertEquals(allows("+get ~*", READ), true);
  assertEquals(allows("+get %R~*", READ), true);
  assertEquals(allows("+get %R~*", READ_AND_WRITE), false);
  assertEquals(allows("+get ~a", READ), false);
  assertEquals(allows("~* +set (+get ~a)", READ), false);
  assertEquals(allows("+get ~a (+get %R~*)", READ), true);
  assertEquals(allows("+@all ~* %F~* &*", READ_AND_WRITE), true);
});

Deno.test("comparing names is bounded, and denies when it takes too long", () => {
  const costly = permissionWith(`+@all ~*${"a".repeat(4_000)}b*`);
  const name = "a".repeat(1_000_000);
  const startMs = performance.now();
  const denial = check(costly, requestOf("get", keysOf([name, READ])));
  assert(denial?.kind === "cost" && denial.object === "get");
  // All four thousand million steps take ten seconds and more.
  assert(performance.now() - startMs < 3_000);
  assertEquals(allowsChannel(costly, { name, isPattern: false }), false);
  // A long name or many names alone are no reason.
  assertEquals(allowsKey("~*x*", "a".repeat(1_000_000) + "x", READ), true);
  const many = Array.from({ length: 100_000 }, (_, at) => ({ name: `k${at}`, rights: READ }));
  const patterns = Array.from({ length: 100 }, (_, at) => `~z${at}*`).join(" ");
  assertEquals(
    check(permissionWith(`+get ${patterns} ~k*`), requestOf("get", { keys: many })),
    null,
  );
});

Deno.test("rights follow from the flags that Redis looks at", () => {
  assertEquals(rightsOfFlags("RO access"), READ);
  assertEquals(rightsOfFlags("RW access update"), READ_AND_WRITE);
  assertEquals(rightsOfFlags("OW update"), WRITE);
  assertEquals(rightsOfFlags("OW INSERT"), WRITE);
  assertEquals(rightsOfFlags("RM delete"), WRITE);
  assertEquals(rightsOfFlags("RW access delete"), READ_AND_WRITE);
  assertEquals(rightsOfFlags("RO"), NO_RIGHTS);
  assertEquals(rightsOfFlags("RW not_key"), NO_RIGHTS);
  assertEquals(rightsOfFlags(""), NO_RIGHTS);
});

Deno.test("denials have Redis's texts", () => {
  const texts = (kind: Denial["kind"], object: string) => [
    noPermission({ kind, object }),
    dryRunText({ kind, object }),
  ];
  assertEquals(texts("command", "config|get"), [
    "NOPERM this user has no permissions to run the 'config|get' command",
    "This user has no permissions to run the 'config|get' command",
  ]);
  assertEquals(texts("key", "k"), [
    "NOPERM this user has no permissions to access one of the keys used as arguments",
    "This user has no permissions to access the 'k' key",
  ]);
  assertEquals(texts("channel", "c"), [
    "NOPERM this user has no permissions to access one of the channels used as arguments",
    "This user has no permissions to access the 'c' channel",
  ]);
  assertEquals(texts("file", "f"), [
    "NOPERM this user has no permissions to access one of the files used as arguments",
    "This user has no permissions to access the 'f' file",
  ]);
  assertEquals(texts("cost", "get"), [
    "NOPERM comparing the names in this request with this user's patterns takes too long",
    "Comparing the names in this request with this user's patterns takes too long",
  ]);
});
