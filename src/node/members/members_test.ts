import { assertEquals } from "@std/assert";
import { Batch, type LogEntry } from "../log/entry.ts";
import type { ClusterConfiguration } from "./configuration.ts";
import { firstConfiguration, Members } from "./members.ts";

const address = (port: number) => ({ host: "h", port });

function configuration(...ids: string[]): ClusterConfiguration {
  const members = ids.map((id, at) => ({ id, raftAddress: address(at), isLearner: false }));
  return { members, removed: [] };
}

function entry(index: number, change: ClusterConfiguration | null = null): LogEntry {
  return { index, term: 1, data: new Batch(1, [], change), sizeBytes: 1 };
}

Deno.test("the newest configuration is in force, and a cut restores the one before", () => {
  const one = configuration("n1");
  const two = configuration("n1", "n2");
  const three = configuration("n1", "n2", "n3");
  const members = new Members({ index: 0, configuration: one }, [{ index: 4, configuration: two }]);
  assertEquals(members.newest.configuration, two);
  assertEquals(members.at(3).configuration, one);
  assertEquals(members.noteAppend([]), false);
  assertEquals(members.noteAppend([entry(5), entry(6)]), false);
  assertEquals(members.noteAppend([entry(7), entry(8, three)]), true);
  assertEquals([members.newest.index, members.at(7).index, members.at(8).index], [8, 4, 8]);
  assertEquals(members.noteAppend([entry(8)]), true);
  assertEquals(members.newest.configuration, two);
  assertEquals(members.noteAppend([entry(2)]), true);
  assertEquals(members.newest, { index: 0, configuration: one });
});

Deno.test("the configuration before a compacted log is kept, and a snapshot replaces all", () => {
  const base = { index: 0, configuration: configuration("n1") };
  const later = [3, 6].map((index) => ({ index, configuration: configuration("n1", `n${index}`) }));
  const members = new Members(base, later);
  members.compactTo(5);
  assertEquals(members.known.map(({ index }) => index), [3, 6]);
  assertEquals(members.at(5).index, 3);
  members.restore({ index: 9, configuration: configuration("n7") });
  assertEquals([members.known.length, members.newest.index], [1, 9]);
  // Of a log that a snapshot overlaps, only the entries after it count.
  assertEquals(new Members({ ...base, index: 4 }, later).known.map(({ index }) => index), [4, 6]);
});

Deno.test("a founder begins with the founders, a joining node with nobody", () => {
  const others = new Map([["n1", address(1)], ["n2", address(2)]]);
  assertEquals(firstConfiguration("n2", others).members.map(({ id }) => id), ["n1", "n2"]);
  assertEquals(firstConfiguration("n3", others), { members: [], removed: [] });
});
