import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  configurationEntryOf,
  configurationOf,
  entriesOf,
} from "../../../tests/support/log_entries.ts";
import { withTemporaryDirectory } from "../../../tests/support/temporary_directory.ts";
import { UserError } from "../../base/errors.ts";
import { StateMachine } from "../../commands/state_machine.ts";
import { applyTo } from "../../node/clients/applier.ts";
import { openDataDirectory } from "../../node/log/data_directory.ts";
import { Batch, type LogEntry, sizeOfBatch } from "../../node/log/entry.ts";
import { DenoDisk } from "../../platform/deno_disk.ts";
import { stageDirectory } from "./data_directories.ts";
import {
  chunksOf,
  finalState,
  newestOf,
  recoveryReport,
  Survivor,
  type SurvivorReport,
} from "./survivor.ts";

/** A directory with a snapshot of entry 5 of term 2, and the log after it. */
async function makeDirectory(dir: string, following: readonly LogEntry[]): Promise<void> {
  const machine = new StateMachine();
  for (const entry of entriesOf(1, 5, 2)) applyTo(machine, entry);
  await stageDirectory(dir, {
    ...{ nodeId: "n2", clusterId: "c1", chunks: chunksOf(machine) },
    ...{ incarnation: "i", isFounded: true },
    snapshot: {
      index: 5,
      term: 2,
      timeMs: machine.timeMs,
      machineVersion: 1,
      configuration: configurationOf(3),
    },
  });
  const disk = await DenoDisk.open(dir);
  const { log, snapshots } = openDataDirectory(disk, {
    ...{ nodeId: "n2", clusterId: "c1", nonce: "nonce", members: new Map() },
    onFailure: (error) => {
      throw error;
    },
  });
  await new Promise<void>((resolve) => log.append({ term: 7, vote: "n1" }, following, resolve));
  log.close();
  snapshots.close();
  disk.close();
}

const following = [...entriesOf(6, 8, 3), configurationEntryOf(9, 4, 5), ...entriesOf(10, 11, 4)];

Deno.test("a survivor reports its content, and its final state has every entry", async () => {
  await withTemporaryDirectory(async (above) => {
    const dir = `${above}/n2`;
    await makeDirectory(dir, following);
    const survivor = await Survivor.open(dir);
    assertEquals(survivor.report(), {
      ...{ dir, nodeId: "n2", clusterId: "c1", term: 7, lastTerm: 4, lastIndex: 11 },
      snapshotIndex: 5,
      configuration: configurationOf(5),
    });
    const expected = new StateMachine();
    for (const entry of [...entriesOf(1, 5, 2), ...following]) applyTo(expected, entry);
    const state = (machine: StateMachine) =>
      [...chunksOf(machine)].map((chunk) => new TextDecoder().decode(chunk));
    assertEquals(state(finalState(survivor.data)), state(expected));
    survivor.close();
  });
});

Deno.test("a final state is as late as the last entry, which may only advance the time", async () => {
  await withTemporaryDirectory(async (above) => {
    const passing = new Batch(1_700_000_009_000, []);
    const last = { index: 6, term: 2, data: passing, sizeBytes: sizeOfBatch(passing) };
    await makeDirectory(`${above}/n2`, [last]);
    const survivor = await Survivor.open(`${above}/n2`);
    assertEquals(finalState(survivor.data).timeMs, 1_700_000_009_000);
    survivor.close();
  });
});

Deno.test("a directory is locked as long as it is read", async () => {
  await withTemporaryDirectory(async (above) => {
    await makeDirectory(`${above}/n2`, following);
    const survivor = await Survivor.open(`${above}/n2`);
    await assertRejects(() => Survivor.open(`${above}/n2`), UserError, "has it open");
    survivor.close();
    await assertRejects(() => Survivor.open(above), UserError, "not the data directory of a node");
  });
});

Deno.test("a damaged directory is reported with the reason", async () => {
  await withTemporaryDirectory(async (above) => {
    const dir = `${above}/n2`;
    await makeDirectory(dir, following);
    const [segment] = [...Deno.readDirSync(`${dir}/log`)].filter(({ name }) =>
      name.endsWith(".log")
    );
    const path = `${dir}/log/${segment?.name}`;
    const bytes = Deno.readFileSync(path);
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    Deno.writeFileSync(path, bytes);
    const survivor = await Survivor.open(dir);
    assert(survivor.damage !== null);
    assertStringIncludes(survivor.damage, "Cannot read");
    survivor.close();
  });
});

Deno.test("the remains of an earlier attempt are replaced", async () => {
  await withTemporaryDirectory(async (above) => {
    const dir = `${above}/n2`;
    Deno.mkdirSync(`${dir}/snapshots`, { recursive: true });
    Deno.writeTextFileSync(`${dir}/snapshots/new`, "half of one");
    await makeDirectory(dir, []);
    const survivor = await Survivor.open(dir);
    assertEquals(survivor.report().lastIndex, 5);
    survivor.close();
  });
});

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
  const damaged = { dir: "data/n1", nodeId: "n1", clusterId: "c1", damage: "Cannot read it" };
  const text = recoveryReport([survivor("n3", 5, 3)], [damaged]).join("\n");
  assertMatch(text, /^n1 +data\/n1 +c1 +damaged +- +- +-$/m);
  assertMatch(text, /^n1 cannot be used: Cannot read it$/m);
  assertMatch(text, /Missing voting members: n1, n2\./);
});
