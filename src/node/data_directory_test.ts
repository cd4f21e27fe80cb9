import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  DiskCrash,
  type DiskFault,
  type DiskOperation,
  FaultDisk,
} from "../../tests/support/fault_disk.ts";
import { contentOf, entriesOf } from "../../tests/support/log_entries.ts";
import type { PowerLoss } from "../../tests/support/power_loss.ts";
import { UserError } from "../base/errors.ts";
import { seededRandom } from "../base/random.ts";
import { type DataDirectoryOptions, openDataDirectory, readIdentity } from "./data_directory.ts";

const MEMBERS = new Map([["n1", "127.0.0.1:17001"], ["__proto__", "127.0.0.1:17002"]]);

const OPTIONS: DataDirectoryOptions = {
  nodeId: "n1",
  nonce: "nonce",
  clusterId: "c1",
  members: MEMBERS,
  onFailure: (error) => {
    throw error;
  },
};

const text = (content: string) => new TextEncoder().encode(content);

function refusal(disk: FaultDisk, change: Partial<DataDirectoryOptions> = {}): string {
  return assertThrows(() => openDataDirectory(disk, { ...OPTIONS, ...change }), UserError).message;
}

function used(): FaultDisk {
  const disk = new FaultDisk();
  disk.plant("lock", text("123\n"));
  const { log } = openDataDirectory(disk, OPTIONS);
  log.append({ term: 1, vote: "n1" }, entriesOf(1, 3, 1), () => {});
  log.close();
  return disk;
}

Deno.test("a new directory gets an identity that stays", () => {
  const disk = new FaultDisk();
  assertEquals(readIdentity(disk), null);
  const first = openDataDirectory(disk, OPTIONS);
  assertEquals(first.identity, { nodeId: "n1", clusterId: "c1", members: MEMBERS });
  first.log.append({ term: 1, vote: "n1" }, entriesOf(1, 3, 1), () => {});
  const content = contentOf(first.log);
  first.log.close();
  const options = { ...OPTIONS, clusterId: null, members: new Map([["n1", "10.0.0.1:1"]]) };
  const second = openDataDirectory(disk, options);
  assertEquals(second.identity, first.identity);
  assertEquals(contentOf(second.log), content);
  assertEquals(readIdentity(disk)?.clusterId, "c1");
});

Deno.test("a directory of another node, cluster or version is refused", () => {
  assertStringIncludes(
    refusal(used(), { nodeId: "n2" }),
    "Cannot start node n2 on data/n1: the directory belongs to node n1; start with --id n1",
  );
  assertStringIncludes(refusal(used(), { clusterId: "c2" }), "belongs to cluster c1, not to c2");
  const later = used();
  later.plant("identity.json", text('{"format":2}'));
  assertStringIncludes(refusal(later), "its format is 2 and this version reads 1");
});

Deno.test("a directory that is not ours is refused", () => {
  const foreign = new FaultDisk();
  foreign.plant("thesis.tex", text("important"));
  assertStringIncludes(refusal(foreign), '"thesis.tex", which is not Regent');
  assertEquals(foreign.list(""), ["thesis.tex"]);
  const mixed = used();
  mixed.plant("notes", text(""));
  assertStringIncludes(refusal(mixed), '"notes"');
  const mounted = new FaultDisk();
  mounted.makeDirectory("lost+found");
  assertEquals(openDataDirectory(mounted, OPTIONS).log.lastIndex(), 0);
});

Deno.test("an empty directory needs to be told its cluster", () => {
  assertStringIncludes(refusal(new FaultDisk(), { clusterId: null }), "--peers");
});

Deno.test("a lost log or identity is refused, not begun anew", () => {
  const withoutIdentity = used();
  withoutIdentity.remove("identity.json");
  assertStringIncludes(refusal(withoutIdentity), "a log but no identity.json");
  const withoutLog = used();
  for (const name of withoutLog.list("log")) withoutLog.remove(`log/${name}`);
  assertStringIncludes(refusal(withoutLog), "the log files are missing");
});

/** What the directory says, or `null` when it is refused in words. */
function identityOrRefusal(disk: FaultDisk) {
  try {
    const { nodeId, clusterId, members } = readIdentity(disk) ?? overlooked();
    return { nodeId, clusterId, members };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return null;
  }
}

function overlooked(): never {
  throw new Error("an identity file was overlooked");
}

Deno.test("a damaged identity is refused or says what it said", () => {
  const whole = used().read("identity.json") ?? text("");
  for (let length = 0; length < whole.length - 2; length++) {
    const disk = used();
    disk.plant("identity.json", whole.slice(0, length));
    assertStringIncludes(refusal(disk), "Cannot read data/n1/identity.json");
  }
  for (let at = 0; at < whole.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const disk = used();
      const flipped = whole.slice();
      flipped[at] = (flipped[at] ?? 0) ^ (1 << bit);
      disk.plant("identity.json", flipped);
      const read = identityOrRefusal(disk);
      if (read !== null) assertEquals(read, { nodeId: "n1", clusterId: "c1", members: MEMBERS });
    }
  }
  const wrong = ["null", "7", '{"format":1}', '{"format":"1"}'];
  wrong.push('{"format":1,"nodeId":"n1","clusterId":"c1","members":{"n1":7},"hasLog":true}');
  for (const content of wrong) {
    const disk = used();
    disk.plant("identity.json", text(content));
    assertStringIncludes(refusal(disk), "restore it from a copy");
  }
});

Deno.test("a crash at any moment of the first start leaves a directory that starts", () => {
  const whole = new FaultDisk();
  openDataDirectory(whole, OPTIONS);
  assert(whole.operationCount > 15);
  for (let number = 1; number <= whole.operationCount; number++) {
    for (let seed = 0; seed <= 10; seed++) {
      const disk = new FaultDisk({
        fault: (operation) =>
          operation.number === number ? { kind: "crash", bytesWritten: seed % 3 } : null,
      });
      assertThrows(() => openDataDirectory(disk, OPTIONS), DiskCrash);
      const after = disk.afterCrash(seed === 0 ? null : seededRandom(seed));
      const { identity, log } = openDataDirectory(after, OPTIONS);
      assertEquals([identity.clusterId, log.lastIndex(), log.hardState().term], ["c1", 0, 0]);
      const later = after.afterCrash(seededRandom(seed));
      const again = openDataDirectory(later, { ...OPTIONS, clusterId: null });
      assertEquals(again.identity, identity);
      for (const name of later.list("log")) later.remove(`log/${name}`);
      assertStringIncludes(refusal(later), "the log files are missing");
    }
  }
});

Deno.test("what a dead process has renamed is made durable before it is built upon", () => {
  const onlyTheLatestName: PowerLoss = {
    survivors: ({ unsynced }) => unsynced,
    names: (count) => (position) => position === count - 1,
  };
  const dieIn = (number: number) => ({
    fault: (operation: DiskOperation): DiskFault | null =>
      operation.number === number ? { kind: "crash" } : null,
  });
  for (let first = 1; first <= 5; first++) {
    for (let second = 1; second <= 5; second++) {
      const disk = new FaultDisk(dieIn(first));
      assertThrows(() => openDataDirectory(disk, OPTIONS), DiskCrash);
      const restarted = disk.afterCrash(null, dieIn(second));
      assertThrows(() => openDataDirectory(restarted, OPTIONS), DiskCrash);
      const { identity } = openDataDirectory(restarted.afterCrash(onlyTheLatestName), OPTIONS);
      assertEquals(identity.nodeId, "n1", `died in operation ${first}, then in ${second}`);
    }
  }
});
