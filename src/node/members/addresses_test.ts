import { assertEquals } from "@std/assert";
import { configurationOf } from "../../../tests/support/log_entries.ts";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import { MemoryLog } from "../../../tests/support/node/memory_log.ts";
import { silentLogger } from "../../base/logger.ts";
import { seededRandom } from "../../base/random.ts";
import { StateMachine } from "../../commands/state_machine.ts";
import type { Address } from "../../platform/network.ts";
import type { Raft } from "../../raft/mod.ts";
import type { Batch } from "../log/entry.ts";
import { Node } from "../node.ts";
import type { PeerPlan } from "../peers/transport.ts";
import { MemberAddresses } from "./addresses.ts";
import { Members } from "./members.ts";

Deno.test("a member that the operator has moved is dialled at its new address, the others as in the log", () => {
  const configuration = configurationOf(3);
  const addresses = new MemberAddresses({
    id: "n1",
    contacts: new Map(),
    clientAddress: { host: "h", port: 1 },
    raftAddress: undefined,
    incarnation: "",
    moved: new Map([["n2", { host: "elsewhere", port: 2 }]]),
    members: new Members({ index: 0, configuration }, []),
    raft: { commitIndex: 0, leaderId: null } as Raft<Batch>,
    logger: silentLogger,
  });
  const third = configuration.members.find(({ id }) => id === "n3");
  assertEquals([...addresses.newPlan()?.addresses ?? []], [
    ["n2", { host: "elsewhere", port: 2 }],
    ["n3", third?.raftAddress],
  ]);
});

Deno.test("a node that is told of a moved member dials it there", () => {
  const follower = (moved?: ReadonlyMap<string, Address>) => {
    const plans: PeerPlan[] = [];
    const node = new Node({
      id: "n1",
      members: new Map([["n1", { host: "h", port: 1 }], ["n2", { host: "h", port: 2 }]]),
      clientAddress: { host: "h", port: 3 },
      log: new MemoryLog(),
      machine: new StateMachine(),
      clock: new ManualClock(),
      random: seededRandom(1),
      logger: silentLogger,
      ...(moved === undefined ? {} : { moved }),
    });
    node.start({
      send() {},
      flush() {},
      isConnected: () => false,
      problem: () => null,
      follow: (plan) => void plans.push(plan),
    });
    node.stop();
    return plans.at(-1)?.addresses.get("n2");
  };
  assertEquals(follower(), { host: "h", port: 2 });
  assertEquals(follower(new Map([["n2", { host: "elsewhere", port: 9 }]])), {
    host: "elsewhere",
    port: 9,
  });
});
