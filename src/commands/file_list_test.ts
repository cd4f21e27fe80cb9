import { assert, assertEquals } from "@std/assert";
import { blobId, FileMachine } from "../../tests/support/file_machine.ts";
import { randomInteger, seededRandom } from "../base/random.ts";

interface Listed {
  readonly name: string;
  readonly size: number;
  readonly version: number;
}

/** All pages of a list, and how many they are. */
function listed(one: FileMachine, ...args: readonly string[]): { files: Listed[]; pages: number } {
  const files: Listed[] = [];
  let cursor = "";
  let pages = 0;
  do {
    const reply = one.file("LIST", ...args, "AFTER", cursor) as [string, Listed[]];
    files.push(...reply[1]);
    cursor = reply[0];
    pages++;
  } while (cursor !== "");
  return { files, pages };
}

const namesOf = (files: readonly Listed[]) => files.map(({ name }) => name);

function machineWith(names: readonly string[], sizeOf: (at: number) => number): FileMachine {
  const one = new FileMachine();
  one.addNodes("n1");
  names.forEach((name, at) => one.commit(name, blobId(at), "n1", { size: sizeOf(at) }));
  return one;
}

Deno.test("pages in every order, with and without a prefix, contain each file once", () => {
  const random = seededRandom(5);
  const letters = ["a", "b", "\xc3\xa9", "\xff".slice(1), "z"];
  const name = () =>
    Array.from({ length: 1 + randomInteger(random, 4) }, () => letters[randomInteger(random, 5)])
      .join("") || "a";
  const names = [...new Set(Array.from({ length: 300 }, name))];
  const sizes = names.map(() => randomInteger(random, 20));
  const one = machineWith(names, (at) => sizes[at] ?? 0);
  const all = names.map((name, at) => ({ name, size: sizes[at] ?? 0, version: at + 1 }));
  const byName = (a: Listed, b: Listed) => a.name < b.name ? -1 : 1;
  const orders = {
    NAME: byName,
    SIZE: (a: Listed, b: Listed) => a.size - b.size || byName(a, b),
    DATE: (a: Listed, b: Listed) => a.version - b.version,
  };
  for (const [order, compare] of Object.entries(orders)) {
    for (const prefix of ["", "a", "ab", "\xc3", "\xc3\xa9", "zz", "zzzzz", "\xff", "\0"]) {
      for (const count of ["1", "7", "1000"]) {
        const wanted = namesOf(all.filter(({ name }) => name.startsWith(prefix)).sort(compare));
        const args = ["PREFIX", prefix, "COUNT", count, "BY", order];
        assertEquals(namesOf(listed(one, ...args).files), wanted, args.join(" "));
        const reverse = namesOf(listed(one, ...args, "REV").files);
        assertEquals(reverse, wanted.reverse(), `${args.join(" ")} REV`);
      }
    }
  }
  const { pages } = listed(one, "COUNT", "1000");
  assertEquals(pages, 1, "no empty page follows");
});

Deno.test("an index without files has an empty page in every order", () => {
  const one = new FileMachine();
  for (const by of ["NAME", "SIZE", "DATE"]) {
    for (const rest of [[], ["REV"], ["PREFIX", "a", "REV"]]) {
      assertEquals(one.file("LIST", "BY", by, ...rest), ["", []]);
    }
  }
  assertEquals(one.file("LIST", "BY", "SIZE", "REV", "AFTER", "5/x"), ["", []]);
});

Deno.test("CONTAINS finds text of any case in names and in the values of tags", () => {
  const one = new FileMachine();
  one.addNodes("n1");
  const tags = '{"Title":"Die Stra\\u00dfe","artist":"\xc3\x89DITH","year":1999}';
  one.commit("music/\xc3\x84rger.mp3", blobId(1), "n1", { options: ["TAGS", tags] });
  one.commit("other", blobId(2), "n1");
  const found = (text: string) => listed(one, "CONTAINS", text).files.length;
  for (const text of ["\xc3\xa4RGER", "MUSIC/", "\xc3\xa9dith", "stra\xc3\x9fe", "99"]) {
    assertEquals(found(text), 1, text);
  }
  assertEquals([found(""), found("er"), found("title"), found("{")], [2, 2, 0, 0]);
});

Deno.test("one request looks at a bounded number of files, and reads a view while they change", () => {
  const names = Array.from({ length: 9_000 }, (_, at) => `f${String(at).padStart(5, "0")}`);
  const one = machineWith(names, (at) => at);
  const rare = listed(one, "CONTAINS", "f08999");
  assertEquals([namesOf(rare.files), rare.pages], [["f08999"], 3]);
  const bySize = listed(one, "PREFIX", "f08999", "BY", "SIZE");
  assertEquals([namesOf(bySize.files), bySize.pages], [["f08999"], 3]);
  assertEquals(listed(one, "PREFIX", "f08999").pages, 1, "the order by name is an index");
  let deleted = 0;
  const { reply, steps } = one.inSteps(
    () => one.file("DELETE", names[deleted++ * 200 + 256] ?? ""),
    ...["LIST", "COUNT", "1000"],
  );
  assert(steps >= 4 && deleted >= 3, `${steps}`);
  assertEquals(namesOf((reply as [string, Listed[]])[1]), names.slice(0, 1_000));
});

Deno.test("a page of long tags ends before it is too large", () => {
  const one = new FileMachine();
  one.addNodes("n1");
  const tags = JSON.stringify({ text: "x".repeat(4_000) });
  for (let at = 0; at < 1_000; at++) {
    one.commit(`${at}`, blobId(at), "n1", { options: ["TAGS", tags] });
  }
  const { files, pages } = listed(one, "COUNT", "1000");
  assertEquals([files.length, pages], [1_000, 3]);
});
