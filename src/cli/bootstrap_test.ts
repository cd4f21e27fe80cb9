import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { FaultDisk } from "../../tests/support/fault_disk.ts";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { MemoryNetwork } from "../../tests/support/node/memory_network.ts";
import { UserError } from "../base/errors.ts";
import { silentLogger } from "../base/logger.ts";
import { seededRandom } from "../base/random.ts";
import { type Identity, type NodeSettings, readIdentity } from "../node/log/data_directory.ts";
import { bootstrap, clusterIdOf, parsePeers } from "./bootstrap.ts";

Deno.test("the members in any order are one cluster, other members are another", () => {
  const members = [["n1", "a:1"], ["n2", "b:1"], ["n3", "c:1"]] as const;
  const id = clusterIdOf(new Map(members));
  assertEquals(clusterIdOf(new Map(members.toReversed())), id);
  assertNotEquals(clusterIdOf(new Map(members.slice(1))), id);
});

const ADDRESS = { host: "memory", port: 17001 };

/** A start of `n1` that is asked to end while it waits for the other founders. */
function startAndEnd(
  disk: FaultDisk,
  peers: string,
  stored: Identity | null,
  settings: NodeSettings = {},
): Promise<Identity | null> {
  const clock = new ManualClock();
  return bootstrap({
    id: "n1",
    disk,
    stored,
    settings,
    peers: parsePeers(peers),
    join: undefined,
    life: "life",
    listen: ADDRESS,
    clientAddress: { host: "memory", port: 7001 },
    raftAddress: ADDRESS,
    entryBytesMax: 1_000,
    network: new MemoryNetwork(clock).of(ADDRESS.port),
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    ending: Promise.resolve(),
  });
}

Deno.test("a directory with a log never starts anew, whatever --peers says", async () => {
  const disk = new FaultDisk();
  disk.makeDirectory("log");
  const stored: Identity = {
    nodeId: "n1",
    clusterId: "c1",
    incarnation: "i1",
    members: new Map([["n1", "memory:17001"], ["n2", "memory:17002"]]),
    founders: new Map(),
    isFounded: false,
    settings: {},
  };
  await assertRejects(
    () => startAndEnd(disk, "n1=memory:17001,n3=memory:17003", stored),
    UserError,
    "Cannot change the members",
  );
});

Deno.test("a founder keeps its settings while it waits, and those of a later start", async () => {
  const disk = new FaultDisk();
  const peers = "n1=memory:17001,n2=memory:17002";
  for (const settings of [{ raftPort: 17001, memoryBytesMax: 5 }, { raftPort: 17001 }]) {
    assertEquals(await startAndEnd(disk, peers, readIdentity(disk), settings), null);
    assertEquals(readIdentity(disk)?.settings, settings);
  }
});
