import { assertEquals } from "@std/assert";
import { splitInline } from "../../resp/inline.ts";
import {
  DoubleReply,
  ErrorReply,
  MapReply,
  OK,
  PushReply,
  type Reply,
  VerbatimReply,
} from "../../resp/reply.ts";
import { asksForText, quoted, rawReply, readableReply } from "./replies.ts";

const readable = (reply: Reply, isText = false) => [...readableReply(reply, isText)].join("");
const raw = (reply: Reply) => [...rawReply(reply)].join("");

Deno.test("values are shown with their types", () => {
  const cases: [Reply, string][] = [
    [OK, "OK\n"],
    ["", '""\n'],
    [null, "(nil)\n"],
    [-5, "(integer) -5\n"],
    [2n ** 70n, "(integer) 1180591620717411303424\n"],
    [new DoubleReply(3.5), "(double) 3.5\n"],
    [new ErrorReply("ERR no\x1b[2J"), "(error) ERR no\\x1b[2J\n"],
    ['a\\"\n\r\t\x07\b\x00\x7fé', '"a\\\\\\"\\n\\r\\t\\a\\b\\x00\\x7f\\xe9"\n'],
    [[], "(empty array)\n"],
    [new MapReply([]), "(empty hash)\n"],
    [new PushReply(["a", 1]), '1> "a"\n2> (integer) 1\n'],
    [new VerbatimReply("a:1\r\nb:\x1b2\r\n"), "a:1\r\nb:\\x1b2\r\n"],
  ];
  for (const [reply, text] of cases) assertEquals(readable(reply), text);
  assertEquals(readable("a\nb", true), "a\nb\n");
  assertEquals(readable(null, true), "(nil)\n");
});

Deno.test("elements are numbered and aligned", () => {
  assertEquals(
    readable([1, [2, [3, "x"]], [], ["a", null]]),
    '1) (integer) 1\n2) 1) (integer) 2\n   2) 1) (integer) 3\n      2) "x"\n' +
      '3) (empty array)\n4) 1) "a"\n   2) (nil)\n',
  );
  const lines = readable([...Array(10).keys(), [1, 2]]).split("\n");
  assertEquals([lines[0], lines[9]], [" 1) (integer) 0", "10) (integer) 9"]);
  assertEquals(lines.slice(10), ["11) 1) (integer) 1", "    2) (integer) 2", ""]);
});

Deno.test("maps show keys and values", () => {
  const map = new MapReply([["a", 1], ["b", new MapReply([["c", "d"], ["e", [1, 2]]])], ["f", []]]);
  assertEquals(
    readable(map),
    '1# "a" => (integer) 1\n2# "b" => \n   1# "c" => "d"\n   2# "e" => \n' +
      '      1) (integer) 1\n      2) (integer) 2\n3# "f" => (empty array)\n',
  );
});

Deno.test("a quoted value can be typed again, whatever its bytes", () => {
  const all = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join("");
  assertEquals(splitInline(quoted(all)), [all]);
});

Deno.test("a value of many slices is shown whole", () => {
  const text = "é".repeat(100_000);
  assertEquals(readable(text), `"${"\\xe9".repeat(100_000)}"\n`);
});

Deno.test("some commands have text as their reply", () => {
  assertEquals(asksForText(["INFO", "server"]), true);
  assertEquals(asksForText(["Cluster", "NODES"]), true);
  assertEquals(asksForText(["cluster", "myid"]), false);
  assertEquals(asksForText(["get", "info"]), false);
  assertEquals(asksForText([]), false);
});

Deno.test("raw replies are values and nothing else", () => {
  const cases: [Reply, string][] = [
    [OK, "OK\n"],
    ['a"\x00\xff', 'a"\x00\xff\n'],
    [null, "\n"],
    [7, "7\n"],
    [new DoubleReply(0.1), "0.1\n"],
    [new ErrorReply("ERR no"), "ERR no\n"],
    [["a", null, ["b", 1], []], "a\n\nb\n1\n\n"],
    [new MapReply([["a", 1], ["b", "c"]]), "a 1\nb c\n"],
  ];
  for (const [reply, text] of cases) assertEquals(raw(reply), text);
});
