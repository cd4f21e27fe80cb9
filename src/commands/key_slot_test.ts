import { assertEquals } from "@std/assert";
import { serve } from "../../tests/support/serve.ts";
import { randomInteger, seededRandom } from "../base/random.ts";
import { ErrorReply } from "../resp/reply.ts";
import { keySlot, SLOTS } from "./key_slot.ts";

Deno.test("slots are those of the Redis Cluster specification", () => {
  // The check value of CRC-16/XMODEM.
  assertEquals(keySlot("123456789"), 0x31c3);
  // Asked from redis-server 7.0.15 with CLUSTER KEYSLOT.
  assertEquals(keySlot(""), 0);
  assertEquals(keySlot("foo"), 12182);
  assertEquals(keySlot("somekey"), 11058);
  assertEquals(keySlot("\xff\0\x80"), 7915);
});

/** CRC-16/XMODEM bit by bit, as its definition says. */
function crcByBits(key: string): number {
  let crc = 0;
  for (const character of key) {
    crc ^= character.charCodeAt(0) << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)) & 0xffff;
  }
  return crc;
}

Deno.test("keys of any length and of any bytes have the checksum of the definition", () => {
  const random = seededRandom(20261129);
  for (let length = 0; length < 300; length++) {
    let key = "";
    while (key.length < length) key += String.fromCharCode(randomInteger(random, 256));
    key = key.replaceAll("{", "");
    assertEquals(keySlot(key), crcByBits(key) % SLOTS, JSON.stringify(key));
  }
});

Deno.test("only the hash tag of a key counts, if it has one", () => {
  assertEquals(keySlot("foo{hash_tag}"), keySlot("hash_tag"));
  assertEquals(keySlot("{user1000}.following"), keySlot("{user1000}.followers"));
  assertEquals(keySlot("foo{bar}{zap}"), keySlot("bar"));
  assertEquals(keySlot("foo{{bar}}zap"), keySlot("{bar"));
});

Deno.test("an empty or open tag is not a hash tag", () => {
  assertEquals(keySlot("foo{}{bar}"), 8363);
  assertEquals(keySlot("foo{bar"), 15278);
});

Deno.test("CLUSTER KEYSLOT takes a key of up to 1 MiB", () => {
  const longest = "k".repeat(1024 * 1024);
  assertEquals(serve(["CLUSTER", "KEYSLOT", longest]), keySlot(longest));
  assertEquals(
    serve(["CLUSTER", "KEYSLOT", longest + "k"]),
    new ErrorReply("ERR the key is too long, more than 1048576 bytes"),
  );
});
