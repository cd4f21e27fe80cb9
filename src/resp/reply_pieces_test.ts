import { assert, assertEquals, assertLess } from "@std/assert";
import { encodePieces, encodeReply, type Protocol, replyBytes } from "./encode.ts";
import {
  DoubleReply,
  EncodedStrings,
  ErrorReply,
  MapReply,
  OK,
  PushReply,
  type Reply,
  SetReply,
  VerbatimReply,
} from "./reply.ts";

const MIB = 1024 * 1024;

const replies: readonly Reply[] = [
  null,
  "",
  "text",
  7,
  2n ** 60n,
  OK,
  new ErrorReply("ERR no"),
  new DoubleReply(0.5),
  new VerbatimReply("v".repeat(70_000)),
  [],
  ["a".repeat(200_000), null, ["b".repeat(65_536), 1], "c"],
  Array.from({ length: 50_000 }, (_, i) => `key:${i}`),
  new MapReply([["k", ["v"]], ["long", "x".repeat(100_000)]]),
  new EncodedStrings(2, ["$1\r\na\r\n$1\r", "\nb\r\n"]),
  new EncodedStrings(2, [`$70000\r\n${"a".repeat(70_000)}\r\n`, "$1\r\nb\r\n"]),
  new PushReply(["p", new MapReply([["a", 1]])]),
  new SetReply(["member", ["a".repeat(70_000)]]),
];

Deno.test("joined pieces equal the reply's encoding, and are never longer than counted", () => {
  for (const reply of replies) {
    for (const protocol of [2, 3] as Protocol[]) {
      const whole = encodeReply(reply, protocol);
      assertEquals([...encodePieces(reply, protocol)].join(""), whole);
      assert(replyBytes(reply) >= whole.length, `${replyBytes(reply)} of ${whole.length}`);
    }
  }
});

Deno.test("counting stops at the bound, and encoding does not copy long strings", () => {
  const value = "x".repeat(MIB);
  const many = new Array(2 ** 20).fill(value);
  let looks = 0;
  const watched = new Proxy(many, {
    get(target, name) {
      if (name !== "length") looks++;
      return Reflect.get(target, name);
    },
  });
  assert(replyBytes(watched, 256 * MIB) > 256 * MIB);
  assertLess(looks, 300, "looks at what is refused");
  let seen = 0;
  const pairs = Array.from({ length: 1_000 }, (): [Reply, Reply] => ["key", value]);
  pairs[Symbol.iterator] = function* () {
    for (let at = 0; at < pairs.length; at++) {
      seen++;
      yield pairs[at] as [Reply, Reply];
    }
  } as () => ArrayIterator<[Reply, Reply]>;
  assert(replyBytes(new MapReply(pairs), 10 * MIB) > 10 * MIB);
  assertLess(seen, 12, "looks at pairs of what is refused");
  const pieces = [...encodePieces(many.slice(0, 1_000), 2)];
  assertLess(Math.max(...pieces.map(({ length }) => length)), MIB + 1);
});
