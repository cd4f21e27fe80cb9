import { assertEquals } from "@std/assert";
import { changedUser, SMALL_CATALOG, userWith } from "../../tests/support/acl_user.ts";
import { encodeReply } from "../resp/encode.ts";
import { getUserReply, listLine, rulesOf } from "./describe.ts";
import { DEFAULT_USER, newUser } from "./user.ts";

Deno.test("ACL LIST shows users as Redis does", () => {
  assertEquals(listLine(newUser("u")), "user u off resetchannels -@all");
  assertEquals(listLine(DEFAULT_USER), "user default on nopass ~* %F~* &* +@all");
  assertEquals(
    listLine(userWith("on nopass skip-sanitize-payload ~a %R~b %W~c &d +@read -get (~e +set) ()")),
    "user u on nopass skip-sanitize-payload ~a %R~b %W~c resetchannels &d -@all +@read -get " +
      "(~e resetchannels -@all +set) (resetchannels -@all)",
  );
  assertEquals(
    listLine(userWith("+@all ~* &* %FR~a %F~b")),
    "user u off ~* %FR~a %F~b &* +@all",
  );
  const verifier = `scrypt$2$1$1$${"00".repeat(8)}$${"ab".repeat(32)}`;
  assertEquals(listLine(userWith(`#${verifier}`)), `user u off #${verifier} resetchannels -@all`);
});

Deno.test("the words of a line make an equal user, given as arguments of ACL SETUSER", () => {
  for (
    const user of [
      DEFAULT_USER,
      userWith("on ~a\"b ~c) ~(d %RW~* ~e &f&g %F~'h' %FRW~* +@all -@read +config|get"),
      userWith(`("~a\\"b" '~c)' %RW~* ~(d ~e\\ &"f)" "+select|)" +get) (~*) (+@all)`),
      userWith("sanitize-payload nopass ( ~ & %F~ )"),
    ]
  ) {
    const words = listLine(user).split(" ").slice(2);
    assertEquals(changedUser(SMALL_CATALOG, null, user.name, words), user);
    assertEquals(changedUser(SMALL_CATALOG, null, user.name, rulesOf(user)), user);
  }
});

Deno.test("ACL GETUSER has Redis's fields, and one for files", () => {
  const user = userWith("on nopass ~a &b +@read %FR~f (%R~c +set)");
  const selector = (commands: string, keys: string, channels: string, files: string) =>
    Object.entries({ commands, keys, channels, files });
  assertEquals(
    encodeReply(getUserReply(user), 2),
    encodeReply([
      "flags",
      ["on", "nopass"],
      "passwords",
      [],
      ...selector("-@all +@read", "~a", "&b", "%FR~f").flat(),
      "selectors",
      [selector("-@all +set", "%R~c", "", "").flat()],
    ], 2),
  );
  assertEquals(encodeReply(getUserReply(user), 3).startsWith("%7\r\n$5\r\nflags\r\n~2\r\n"), true);
});
