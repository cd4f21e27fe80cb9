import { assertEquals } from "@std/assert";
import { RANGES_MAX, rangesOf } from "./ranges.ts";

const ALL = "all";
const NONE = "unsatisfiable";
const HUGE = "9".repeat(40);

/** A header, the size of the content, and what it asks for: `from-to` without `to`. */
const TABLE: readonly [header: string, size: number, wanted: string][] = [
  ["bytes=0-0", 10, "0-1"],
  ["bytes=0-", 10, "0-10"],
  ["bytes=9-", 10, "9-10"],
  ["bytes=9-9", 10, "9-10"],
  ["bytes=-1", 10, "9-10"],
  ["bytes=-10", 10, "0-10"],
  ["bytes=-11", 10, "0-10"],
  [`bytes=-${HUGE}`, 10, "0-10"],
  ["bytes=5-100", 10, "5-10"],
  [`bytes=5-${HUGE}`, 10, "5-10"],
  ["bytes=00005-0006", 10, "5-7"],
  ["bytes= 1-2 ", 10, "1-3"],
  ["BYTES=1-2", 10, "1-3"],
  ["bytes =1-2", 10, "1-3"],
  // Nothing there.
  ["bytes=-0", 10, NONE],
  ["bytes=10-", 10, NONE],
  ["bytes=10-10", 10, NONE],
  [`bytes=${HUGE}-`, 10, NONE],
  [`bytes=${HUGE}-${HUGE}`, 10, NONE],
  [`bytes=9007199254740993-`, 9007199254740991, NONE],
  // An empty content.
  ["bytes=-0", 0, NONE],
  ["bytes=-5", 0, ALL],
  ["bytes=0-", 0, NONE],
  ["bytes=0-0", 0, NONE],
  ["bytes=0-0,-1", 0, ALL],
  // Several.
  ["bytes=0-0,-1", 10, "0-1,9-10"],
  ["bytes=8-9,0-1", 10, "8-10,0-2"],
  ["bytes=0-3,2-5", 10, "0-6"],
  ["bytes=2-5,0-3", 10, "0-6"],
  ["bytes=0-1,2-3", 10, "0-4"],
  ["bytes=0-9,3-4,5-6", 10, "0-10"],
  ["bytes=0-0,20-30", 10, "0-1"],
  ["bytes=20-30,40-50", 10, NONE],
  ["bytes=,0-0,, ,2-2,", 10, "0-1,2-3"],
  [
    `bytes=${Array.from({ length: RANGES_MAX }, (_, at) => `${2 * at}-${2 * at}`)}`,
    100,
    "16 ranges",
  ],
  [`bytes=${Array.from({ length: RANGES_MAX + 1 }, () => "0-0")}`, 100, NONE],
  // Garbage.
  ["bytes=", 10, NONE],
  ["bytes=-", 10, NONE],
  ["bytes=5-4", 10, NONE],
  [`bytes=${HUGE}1-${HUGE}`, 10, NONE],
  ["bytes=a-b", 10, NONE],
  ["bytes=0-1;2-3", 10, NONE],
  ["bytes=--1", 10, NONE],
  ["bytes=+1-2", 10, NONE],
  ["bytes=1.5-2", 10, NONE],
  ["bytes=0x1-2", 10, NONE],
  ["bytes=0-1,x", 10, NONE],
  ["bytes", 10, NONE],
  ["", 10, NONE],
  ["=0-1", 10, NONE],
  // Other units are as if there were no header.
  ["lines=0-1", 10, ALL],
  ["bits=", 10, ALL],
];

for (const [header, size, wanted] of TABLE) {
  Deno.test(`${header.slice(0, 60) || "(empty)"} of ${size} bytes is ${wanted}`, () => {
    const result = rangesOf(header, size);
    if (result.kind !== "ranges") return assertEquals(result.kind, wanted);
    const { ranges } = result;
    if (wanted.endsWith(" ranges")) return assertEquals(`${ranges.length} ranges`, wanted);
    assertEquals(ranges.map(({ from, to }) => `${from}-${to}`).join(), wanted);
  });
}
