import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
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
import { chunksOf, finalState, Survivor } from "./survivor.ts";

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
