import { assertEquals } from "@std/assert";
import { encodeReply, encodeRequest } from "./encode.ts";
import {
  DoubleReply,
  EncodedStringsBuilder,
  ErrorReply,
  MapReply,
  OK,
  PushReply,
  type Reply,
  SimpleString,
  VerbatimReply,
} from "./reply.ts";

const cases: readonly (readonly [Reply, string, string])[] = [
  ["", "$0\r\n\r\n", "$0\r\n\r\n"],
  ["a\r\nb", "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n"],
  ["\x00\xff", "$2\r\n\x00\xff\r\n", "$2\r\n\x00\xff\r\n"],
  ["x".repeat(2000), `$2000\r\n${"x".repeat(2000)}\r\n`, `$2000\r\n${"x".repeat(2000)}\r\n`],
  [0, ":0\r\n", ":0\r\n"],
  [-1, ":-1\r\n", ":-1\r\n"],
  [1023, ":1023\r\n", ":1023\r\n"],
  [1024, ":1024\r\n", ":1024\r\n"],
  [9223372036854775807n, ":9223372036854775807\r\n", ":9223372036854775807\r\n"],
  [null, "$-1\r\n", "_\r\n"],
  [OK, "+OK\r\n", "+OK\r\n"],
  [new SimpleString("a\r\n+b"), "+a  +b\r\n", "+a  +b\r\n"],
  [
    new ErrorReply("ERR unknown '\r\n:1\n'"),
    "-ERR unknown '  :1 '\r\n",
    "-ERR unknown '  :1 '\r\n",
  ],
  [new DoubleReply(3.5), "$3\r\n3.5\r\n", ",3.5\r\n"],
  [new DoubleReply(-Infinity), "$4\r\n-inf\r\n", ",-inf\r\n"],
  [new DoubleReply(Infinity), "$3\r\ninf\r\n", ",inf\r\n"],
  [new DoubleReply(NaN), "$3\r\nnan\r\n", ",nan\r\n"],
  [new DoubleReply(-0), "$2\r\n-0\r\n", ",-0\r\n"],
  [[], "*0\r\n", "*0\r\n"],
  [["a", [1, null]], "*2\r\n$1\r\na\r\n*2\r\n:1\r\n$-1\r\n", "*2\r\n$1\r\na\r\n*2\r\n:1\r\n_\r\n"],
  [new MapReply([["a", 1]]), "*2\r\n$1\r\na\r\n:1\r\n", "%1\r\n$1\r\na\r\n:1\r\n"],
  [new VerbatimReply("hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"],
  [new PushReply(["p", OK]), "*2\r\n$1\r\np\r\n+OK\r\n", ">2\r\n$1\r\np\r\n+OK\r\n"],
];

Deno.test("a byte string is encoded as a bulk string, whatever its bytes", () => {
  for (const protocol of [2, 3] as const) {
    assertEquals(encodeReply(new Uint8Array([0, 0x0d, 0xff]), protocol), "$3\r\n\0\r\xff\r\n");
  }
});

Deno.test("each kind of reply is encoded in both versions of RESP", () => {
  for (const [reply, resp2, resp3] of cases) {
    assertEquals(encodeReply(reply, 2), resp2);
    assertEquals(encodeReply(reply, 3), resp3);
  }
});

Deno.test("an array that is encoded step by step is not built beyond its bound", () => {
  const builder = new EncodedStringsBuilder(20);
  assertEquals(["abc", "def", "g"].map((text) => builder.add(text)), [true, true, false]);
  assertEquals(encodeReply(builder.build(), 2), "*2\r\n$3\r\nabc\r\n$3\r\ndef\r\n");
});

Deno.test("a request is an array of bulk strings", () => {
  assertEquals(encodeRequest(["SET", "k", ""]), "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n");
});
