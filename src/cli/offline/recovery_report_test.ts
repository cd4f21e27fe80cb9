import { assert, assertEquals, assertMatch } from "@std/assert";
import { configurationOf } from "../../../tests/support/log_entries.ts";
import { newestOf, recoveryReport } from "./recovery_report.ts";
import type { SurvivorReport } from "./survivor.ts";

function survivor(nodeId: string, lastTerm: number, lastIndex: number): SurvivorReport {
  return {
    ...{ dir: `data/${nodeId}`, nodeId, clusterId: "c1", term: 9, lastTerm, lastIndex },
    snapshotIndex: 3,
    configuration: configurationOf(3),
  };
}

const textOf = (survivors: readonly SurvivorReport[]) => recoveryReport(survivors, []).join("\n");

Deno.test("the newest log is the one with the later last term, then the longer one, then the first", () => {
  const older = survivor("n1", 4, 900);
  const newer = survivor("n2", 5, 20);
  const longer = survivor("n3", 5, 21);
  assertEquals(newestOf([older, newer])?.nodeId, "n2");
  assertEquals(newestOf([newer, longer, older])?.nodeId, "n3");
  assertEquals(newestOf([survivor("n3", 5, 20), newer])?.nodeId, "n3");
  assertEquals(newestOf([]), undefined);
});

Deno.test("the report shows what is there, what is kept and what may be lost", () => {
  assertEquals(
    textOf([survivor("n2", 5, 20)]),
    `id  directory  cluster  term  last term  last index  snapshot
n2  data/n2    c1       9     5          20          3

n2 has the newest log: it ends with entry 20 of term 5.
Missing voting members: n1, n3. Acknowledged writes that only they hold may be lost.
It cannot be known whether there are any, or which.
Kept: everything up to entry 20.
Entries up to 3 are known to be committed. Later ones may or may not have been
acknowledged to a client.`,
  );
});

Deno.test("a majority does not need a recovery, and the report says so", () => {
  const text = textOf([survivor("n2", 5, 20), survivor("n3", 5, 3)]);
  assertMatch(
    text,
    /WARNING: .* a majority of the voting members \(n1, n2, n3\) is here: n2, n3\./,
  );
  assert(!text.includes("may be lost"));
});

Deno.test("a snapshot that covers everything leaves no doubt about what is committed", () => {
  assert(!textOf([survivor("n2", 5, 3)]).includes("may or may not"));
});

Deno.test("a damaged directory is shown, and does not count", () => {
  const casualty = { dir: "data/n1", nodeId: "n1", clusterId: "c1", damage: "Cannot read it" };
  const text = recoveryReport([survivor("n3", 5, 3)], [casualty]).join("\n");
  assertMatch(text, /^n1 +data\/n1 +c1 +damaged +- +- +-$/m);
  assertMatch(text, /^n1 cannot be used: Cannot read it$/m);
  assertMatch(text, /Missing voting members: n1, n2\./);
});
