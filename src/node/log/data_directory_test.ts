import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  DiskCrash,
  type DiskFault,
  type DiskOperation,
  FaultDisk,
} from "../../../tests/support/fault_disk.ts";
import { contentOf, entriesOf } from "../../../tests/support/log_entries.ts";
import type { PowerLoss } from "../../../tests/support/power_loss.ts";
import { crc32 } from "../../base/bytes.ts";
import { UserError } from "../../base/errors.ts";
import { seededRandom } from "../../base/random.ts";
import {
  type DataDirectoryOptions,
  type Identity,
  openDataDirectory,
  readIdentity,
  saveIdentity,
} from "./data_directory.ts";

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
  const { nodeId, clusterId, incarnation, members, isFounded } = first.identity;
  assertEquals([nodeId, clusterId, incarnation, isFounded], ["n1", "c1", OPTIONS.nonce, true]);
  assertEquals(members, MEMBERS);
  first.log.append({ term: 1, vote: "n1" }, entriesOf(1, 3, 1), () => {});
  const content = contentOf(first.log);
  first.log.close();
  const options = {
    ...OPTIONS,
    clusterId: null,
    members: new Map([["n1", "10.0.0.1:1"]]),
    incarnation: "another",
  };
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
  later.plant("identity.json", text('{"format":3}'));
  assertStringIncludes(refusal(later), "its format is 3 and this version reads 1 and 2");
});

Deno.test("a directory of a version without incarnations gets one, once", () => {
  const disk = used();
  const fields = { format: 1, nodeId: "n1", clusterId: "c1", members: { n1: "h:1" }, hasLog: true };
  const checksum = crc32(text(JSON.stringify(fields))).toString(16).padStart(8, "0");
  disk.plant("identity.json", text(JSON.stringify({ ...fields, checksum })));
  assertEquals(readIdentity(disk)?.incarnation, "");
  const first = openDataDirectory(disk, { ...OPTIONS, incarnation: "i1" });
  first.log.close();
  assertEquals([first.identity.incarnation, first.identity.isFounded], ["i1", true]);
  const second = openDataDirectory(disk, { ...OPTIONS, incarnation: "i2" });
  assertEquals(second.identity, first.identity);
});

Deno.test("the record of the founders is kept, before there is a log and after", () => {
  const disk = new FaultDisk();
  const identity: Identity = {
    ...{ nodeId: "n1", clusterId: "c1", incarnation: "i1", members: MEMBERS, isFounded: false },
    founders: new Map([["n1", "i1"], ["n2", "i2"]]),
    settings: { host: "10.0.0.1", raftPort: 17001 },
  };
  saveIdentity(disk, identity);
  const kept = (readIdentity(disk.afterCrash(seededRandom(1))) ?? overlooked()) as Identity;
  assertEquals([kept.founders, kept.isFounded], [identity.founders, false]);
  openDataDirectory(disk, OPTIONS).log.close();
  saveIdentity(disk, { ...identity, isFounded: true });
  const { identity: last, log } = openDataDirectory(disk, OPTIONS);
  assertEquals([last.isFounded, last.settings], [true, identity.settings]);
  assertEquals(log.lastIndex(), 0);
});

Deno.test("a foreign directory is refused", () => {
  const foreign = new FaultDisk();
  foreign.plant("thesis.tex", text("important"));
  assertStringIncludes(refusal(foreign), '"thesis.tex", which is not Regent');
  assertEquals(foreign.list(""), ["thesis.tex"]);
  const mixed = used();
  mixed.plant("notes", text(""));
  const warnings: string[] = [];
  const logger = { info() {}, error() {}, warn: (line: string) => warnings.push(line) };
  openDataDirectory(mixed, { ...OPTIONS, logger });
  assertEquals(warnings, ["ignores data/n1/notes, which is not a file of Regent"]);
  const mounted = new FaultDisk();
  mounted.makeDirectory("lost+found");
  assertEquals(openDataDirectory(mounted, OPTIONS).log.lastIndex(), 0);
});

Deno.test("an empty directory needs the cluster's id", () => {
  assertStringIncludes(refusal(new FaultDisk(), { clusterId: null }), "--peers");
});

Deno.test("a lost log or identity is refused, and not started anew", () => {
  const withoutIdentity = used();
  withoutIdentity.remove("identity.json");
  assertStringIncludes(refusal(withoutIdentity), "a log but no identity.json");
  const onlySnapshots = new FaultDisk();
  onlySnapshots.makeDirectory("snapshots");
  assertStringIncludes(refusal(onlySnapshots), "snapshots but no identity.json");
  const withoutLog = used();
  for (const name of withoutLog.list("log")) withoutLog.remove(`log/${name}`);
  assertStringIncludes(refusal(withoutLog), "the log files are missing");
});

Deno.test("an interrupted restore or recovery is reported, and not started anew as an empty node", () => {
  for (const name of ["staging", "installing"]) {
    const disk = new FaultDisk();
    disk.makeDirectory(name);
    disk.plant(`${name}/identity.json`, used().read("identity.json") ?? text(""));
    disk.plant("lock", text("123\n"));
    const message = refusal(disk);
    assertStringIncludes(message, `it holds "${name}", since a restore or a recovery was interru`);
    assertEquals(disk.list(""), [name, "lock"].sort());
    // Beside an identity it is left over from a recovery that had finished, or nearly.
    const whole = used();
    whole.makeDirectory(name);
    assertEquals(openDataDirectory(whole, OPTIONS).log.lastIndex(), 3);
  }
});

Deno.test("an identity with a valid checksum, and invalid members or founders, is refused", () => {
  for (const wrong of [{ members: { n1: 7 } }, { founders: { n1: null } }]) {
    const disk = used();
    const { checksum: _, ...fields } = JSON.parse(
      new TextDecoder().decode(disk.read("identity.json") ?? undefined),
    );
    const changed = { ...fields, ...wrong };
    const checksum = crc32(text(JSON.stringify(changed))).toString(16).padStart(8, "0");
    disk.plant("identity.json", text(JSON.stringify({ ...changed, checksum })));
    assertStringIncludes(refusal(disk), "a member is wrong");
  }
});

/** The content of the directory, or `null` when it is refused with a message. */
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

Deno.test("a damaged identity is refused or unchanged", () => {
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

Deno.test("a rename of a dead process is made durable before it is relied upon", () => {
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
