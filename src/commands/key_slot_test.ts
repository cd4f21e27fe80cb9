import { assertEquals } from "@std/assert";
import { keySlot } from "./key_slot.ts";

Deno.test("slots are those of the Redis Cluster specification", () => {
  // The check value of CRC-16/XMODEM.
  assertEquals(keySlot("123456789"), 0x31c3);
  // Asked from redis-server 7.0.15 with CLUSTER KEYSLOT.
  assertEquals(keySlot(""), 0);
  assertEquals(keySlot("foo"), 12182);
  assertEquals(keySlot("somekey"), 11058);
  assertEquals(keySlot("\xff\0\x80"), 7915);
});

Deno.test("of a key with a hash tag only the tag counts", () => {
  assertEquals(keySlot("foo{hash_tag}"), keySlot("hash_tag"));
  assertEquals(keySlot("{user1000}.following"), keySlot("{user1000}.followers"));
  assertEquals(keySlot("foo{bar}{zap}"), keySlot("bar"));
  assertEquals(keySlot("foo{{bar}}zap"), keySlot("{bar"));
});

Deno.test("an empty or open tag is no tag", () => {
  assertEquals(keySlot("foo{}{bar}"), 8363);
  assertEquals(keySlot("foo{bar"), 15278);
});
