import { assertEquals } from "@std/assert";
import { parseSegmentFileName, segmentFileName } from "./segment.ts";

Deno.test("only the name that would be given is the name of a segment", () => {
  for (const parsed of [{ sequence: 3, first: 101 }, { sequence: 123_456_789, first: 1 }]) {
    assertEquals(parseSegmentFileName(segmentFileName(parsed)), parsed);
  }
  const name = segmentFileName({ sequence: 3, first: 101 });
  const others = [`0${name}`, `${name}~`, name.slice(1), name.replace(".log", ".txt"), "log", ""];
  for (const other of others) assertEquals(parseSegmentFileName(other), null, other);
});
