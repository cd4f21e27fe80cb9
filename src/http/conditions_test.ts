import { assertEquals, assertThrows } from "@std/assert";
import { keepsRange, secondsOfDate, tagsOf, verdictOf, writeConditionOf } from "./conditions.ts";
import { Problem } from "./problem.ts";

const MODIFIED_MS = Date.UTC(2026, 0, 1, 0, 0, 10, 500);
const RECORD = { version: 5, modifiedMs: MODIFIED_MS };
const EARLIER = "Thu, 01 Jan 2026 00:00:09 GMT";
const SAME = "Thu, 01 Jan 2026 00:00:10 GMT";
const LATER = "Thu, 01 Jan 2026 00:00:11 GMT";

Deno.test("the conditions of a read hold in the order of RFC 9110", () => {
  for (
    const [headers, verdict] of [
      [{}, "send"],
      [{ "if-match": "*" }, "send"],
      [{ "if-match": '"5"' }, "send"],
      [{ "if-match": '"4", "5"' }, "send"],
      [{ "if-match": '"4"' }, "failed"],
      [{ "if-match": 'W/"5"' }, "failed"],
      [{ "if-none-match": "*" }, "not-modified"],
      [{ "if-none-match": '"5"' }, "not-modified"],
      [{ "if-none-match": '"a,b",W/"5"' }, "not-modified"],
      [{ "if-none-match": '"6"' }, "send"],
      [{ "if-modified-since": EARLIER }, "send"],
      [{ "if-modified-since": SAME }, "not-modified"],
      [{ "if-modified-since": LATER }, "not-modified"],
      [{ "if-modified-since": "yesterday" }, "send"],
      [{ "if-modified-since": SAME, "if-none-match": '"6"' }, "send"],
      [{ "if-unmodified-since": EARLIER }, "failed"],
      [{ "if-unmodified-since": SAME }, "send"],
      [{ "if-unmodified-since": EARLIER, "if-match": '"5"' }, "send"],
      [{ "if-match": '"4"', "if-none-match": '"5"' }, "failed"],
    ] as const
  ) assertEquals(verdictOf(new Headers(headers), RECORD), verdict, JSON.stringify(headers));
});

Deno.test("what is no list of entity tags is refused", () => {
  for (const header of ["", "5", '"5', "'5'", '"5""6"', '"5" "6"', 'w/"5"', "*, *", '*,"5"', ","]) {
    assertThrows(() => tagsOf(header), Problem, undefined, header);
  }
  assertThrows(() => tagsOf('"1",'.repeat(65)), Problem);
  assertEquals(tagsOf('"", W/"a,b" ,"c"'), [
    { isWeak: false, tag: '""' },
    { isWeak: true, tag: '"a,b"' },
    { isWeak: false, tag: '"c"' },
  ]);
});

Deno.test("If-Range takes the version, or a date that no other version can have", () => {
  const late = MODIFIED_MS + 60_000;
  for (
    const [header, nowMs, isKept] of [
      [null, late, true],
      ['"5"', MODIFIED_MS, true],
      ['"4"', late, false],
      ['W/"5"', late, false],
      [SAME, late, true],
      [SAME, late - 1, false],
      [LATER, late, false],
      ["garbage", late, false],
    ] as const
  ) assertEquals(keepsRange(header, RECORD, nowMs), isKept, `${header} at ${nowMs}`);
});

Deno.test("dates are read in the forms of HTTP only", () => {
  const seconds = Date.UTC(1994, 10, 6, 8, 49, 37) / 1000;
  assertEquals(secondsOfDate("Sun, 06 Nov 1994 08:49:37 GMT"), seconds);
  for (const text of ["", "0", "2026", "1994-11-06", "Sun", "Sun, 99 Nov 1994 08:49:37 GMT"]) {
    assertEquals(secondsOfDate(text), null, text);
  }
});

Deno.test("a write has one condition, which the cluster can keep", () => {
  const conditionOf = (headers: Record<string, string>) => writeConditionOf(new Headers(headers));
  assertEquals(conditionOf({}), null);
  assertEquals(conditionOf({ "if-none-match": "*" }), "absent");
  assertEquals(conditionOf({ "if-match": "*" }), "present");
  assertEquals(conditionOf({ "if-match": '"12"' }), { ifVersion: 12 });
  for (
    const [headers, code] of [
      [{ "if-none-match": '"12"' }, "bad-request"],
      [{ "if-match": "*", "if-none-match": "*" }, "bad-request"],
      [{ "if-match": '"1", "2"' }, "bad-request"],
      [{ "if-match": "12" }, "bad-request"],
      [{ "if-match": 'W/"12"' }, "precondition-failed"],
      [{ "if-match": '"abc"' }, "precondition-failed"],
      [{ "if-match": '"012"' }, "precondition-failed"],
      [{ "if-match": '"9007199254740993"' }, "precondition-failed"],
    ] as const
  ) {
    const error = assertThrows(
      () => conditionOf(headers),
      Problem,
      undefined,
      JSON.stringify(headers),
    );
    assertEquals(error.code, code);
  }
});
