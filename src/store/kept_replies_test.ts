import { assert, assertEquals, assertThrows } from "@std/assert";
import { AssertionFailure } from "../base/errors.ts";
import { randomInteger, seededRandom } from "../base/random.ts";
import {
  DoubleReply,
  ErrorReply,
  MapReply,
  PushReply,
  SetReply,
  SimpleString,
  VerbatimReply,
} from "../resp/reply.ts";
import { KeptReplies, replyBytes } from "./kept_replies.ts";

Deno.test("replies agree with a map's, dense or scattered, whatever places they share", () => {
  for (let seed = 0; seed < 30; seed++) {
    const random = seededRandom(seed);
    const replies = new KeptReplies();
    const model = new Map<number, string>();
    const stride = [1, 3, 64, 4096][seed % 4] ?? 1;
    const first = seed % 5 === 0 ? Number.MAX_SAFE_INTEGER - 4096 * 200 : 1;
    for (let step = 0; step < 6000; step++) {
      const serial = first + stride * randomInteger(random, 200);
      const isAdded = random() < (step % 1000 < 700 ? 0.7 : 0.2);
      if (isAdded && !model.has(serial)) {
        replies.add(serial, `reply ${step}`);
        model.set(serial, `reply ${step}`);
      } else if (!isAdded) {
        assertEquals(replies.remove(serial), model.get(serial), `seed ${seed}`);
        model.delete(serial);
      }
      assertEquals([replies.get(serial), replies.size], [model.get(serial), model.size]);
      assertEquals(replies.has(serial), model.has(serial));
    }
    assertEquals(replies.entries(), [...model].sort(([a], [b]) => a - b), `seed ${seed}`);
  }
});

Deno.test("what is null is kept as well as what is not", () => {
  const replies = new KeptReplies();
  replies.add(16, null);
  replies.add(32, null);
  assertEquals([replies.get(16), replies.get(32), replies.get(48)], [null, null, undefined]);
  assertEquals([replies.has(32), replies.remove(32), replies.has(32)], [true, null, false]);
});

Deno.test("a reply takes the bytes of all that is in it", () => {
  const text = "x".repeat(100);
  const replies = [
    text,
    new SimpleString(text),
    new ErrorReply(text),
    new VerbatimReply(text),
    [text],
    new MapReply([[text, 1]]),
    new PushReply([text]),
    new SetReply([[text]]),
  ];
  for (const reply of replies) assert(replyBytes(reply) >= 100, reply.constructor.name);
  for (const reply of [null, 1, 2n, new DoubleReply(0.5)]) assert(replyBytes(reply) < 100);
});

Deno.test("a serial is added once, and none below 1", () => {
  const replies = new KeptReplies();
  for (const serial of [16, 32]) replies.add(serial, "a");
  for (const serial of [16, 32, 0, -1]) {
    assertThrows(() => replies.add(serial, "b"), AssertionFailure);
  }
  assertEquals(replies.entries(), [[16, "a"], [32, "a"]]);
  assertEquals(replies.size, 2);
});

Deno.test("the room that a table takes follows from the number of replies, not from their serials", () => {
  const replies = new KeptReplies();
  assertEquals(replies.places, 0);
  for (let count = 0; count < 8; count++) replies.add(1 + 512 * count, "a");
  assertEquals(replies.places, 16);
  for (let serial = 10_000; serial < 14_000; serial++) replies.add(serial, "a");
  assertEquals(replies.places, 8192);
  for (let serial = 10_000; serial < 14_000; serial++) {
    replies.remove(serial);
    assert(replies.places <= Math.max(16, 8 * replies.size));
  }
  assertEquals([replies.size, replies.places], [8, 64]);
});

Deno.test("a window of serials that moves on keeps its table", () => {
  const replies = new KeptReplies();
  for (let serial = 1; serial <= 700; serial++) replies.add(serial, serial);
  const { places } = replies;
  for (let serial = 701; serial <= 20_000; serial++) {
    replies.add(serial, serial);
    assertEquals(replies.remove(serial - 700), serial - 700);
    assertEquals(replies.places, places);
  }
});
