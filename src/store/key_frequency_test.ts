import { assert, assertEquals } from "@std/assert";
import {
  ACCESSES_PER_COUNT,
  FREQUENCY_MAX,
  KeyFrequencies,
  NEW_KEY_FREQUENCY,
  STAMP_BITS,
} from "./key_frequency.ts";

const MINUTE_MS = 60_000;
const START_MS = 1_790_000_000_000;

function start(): KeyFrequencies {
  const frequencies = new KeyFrequencies();
  frequencies.noteTime(START_MS);
  return frequencies;
}

/** The average frequency of a new key after `accesses` accesses at one moment. */
function averageAfter(accesses: number, keys: number): number {
  const frequencies = start();
  let sum = 0;
  for (let key = 0; key < keys; key++) {
    let stamp = frequencies.newStamp();
    for (
      let access = frequencies.drawNext();
      access <= accesses;
      access += frequencies.drawNext()
    ) {
      stamp = frequencies.afterAccess(stamp);
    }
    sum += frequencies.of(stamp);
  }
  return sum / keys;
}

Deno.test("a frequency grows with the number of accesses as in Redis", () => {
  // Redis's own table for lfu-log-factor 10 (redis.conf): 10, 18, 142, 255.
  for (const [accesses, frequency, keys] of [[100, 10, 50], [1_000, 18, 50], [100_000, 142, 5]]) {
    const found = averageAfter(accesses ?? 0, keys ?? 0);
    const bound = (frequency ?? 0) * 0.15;
    assert(Math.abs(found - (frequency ?? 0)) <= bound, `${accesses}: ${found}`);
  }
  assertEquals(averageAfter(3_000_000, 1), FREQUENCY_MAX);
});

Deno.test("each minute lowers a frequency by one, down to 0", () => {
  const frequencies = start();
  const stamp = frequencies.newStamp();
  assertEquals(frequencies.of(stamp), NEW_KEY_FREQUENCY);
  for (let minutes = 0; minutes < 1_000; minutes++) {
    frequencies.noteTime(START_MS + minutes * MINUTE_MS);
    assertEquals(frequencies.of(stamp), Math.max(0, NEW_KEY_FREQUENCY - minutes));
  }
});

Deno.test("a frequency that has fallen to 0 grows from there", () => {
  const frequencies = start();
  const stamp = frequencies.newStamp();
  frequencies.noteTime(START_MS + 10_000 * MINUTE_MS);
  const after = frequencies.afterAccess(stamp);
  assertEquals([frequencies.of(stamp), frequencies.of(after)], [0, 1]);
});

Deno.test("the stamp of a key without any access comes round after 91 days at the earliest", () => {
  const frequencies = start();
  let stamp = frequencies.newStamp();
  while (frequencies.of(stamp) < FREQUENCY_MAX) stamp = frequencies.afterAccess(stamp);
  assertEquals(frequencies.afterAccess(stamp), stamp);
  for (let minutes = FREQUENCY_MAX; minutes < 90.6 * 24 * 60; minutes += 7) {
    frequencies.noteTime(START_MS + minutes * MINUTE_MS);
    assertEquals(frequencies.of(stamp), 0, `${minutes} minutes`);
  }
  assert(stamp < 2 ** STAMP_BITS);
});

Deno.test("time that goes back by minutes changes frequencies by as many", () => {
  const frequencies = start();
  let stamp = frequencies.newStamp();
  while (frequencies.of(stamp) < FREQUENCY_MAX - 10) stamp = frequencies.afterAccess(stamp);
  frequencies.noteTime(START_MS - 5 * MINUTE_MS);
  assertEquals(frequencies.of(stamp), FREQUENCY_MAX - 5);
  frequencies.noteTime(START_MS - 30 * MINUTE_MS);
  assertEquals(frequencies.of(stamp), FREQUENCY_MAX);
});

Deno.test("one access of sixteen is counted, and no pattern of accesses hides a key", () => {
  for (const period of [1, 2, 4, 8, 15, 16]) {
    const frequencies = start();
    const counted = Array.from({ length: period }, () => 0);
    const rounds = 50_000;
    let access = frequencies.drawNext();
    for (; access < rounds * period; access += frequencies.drawNext()) {
      counted[access % period] = (counted[access % period] ?? 0) + 1;
    }
    for (const count of counted) {
      assert(Math.abs(count / rounds * ACCESSES_PER_COUNT - 1) < 0.1, `${period}: ${counted}`);
    }
  }
});
