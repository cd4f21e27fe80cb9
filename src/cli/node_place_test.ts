import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../base/errors.ts";
import { parsePeers } from "./bootstrap.ts";
import { UsageError } from "./flags.ts";
import { checkReachable, nodePlace, type PlaceFlags } from "./node_place.ts";

const FLAGS: PlaceFlags = {
  ...{ id: "n1", port: 7001, raftPort: undefined, advertiseRaftPort: undefined },
  ...{ proxyPort: undefined, httpPort: "off", host: "", advertise: "", peers: new Map() },
};
const PEERS = parsePeers("n1=10.0.0.1:17001,n2=10.0.0.2:17001");

function refusal(flags: Partial<PlaceFlags>): string {
  return assertThrows(() => nodePlace({ ...FLAGS, ...flags }, {}), UsageError).message;
}

Deno.test("a later start uses the place of the first one", () => {
  const first = nodePlace({ ...FLAGS, host: "10.0.0.1", peers: PEERS }, {});
  assertEquals(first.raftAddress, { host: "10.0.0.1", port: 17001 });
  const later = nodePlace(FLAGS, first.settings);
  assertEquals(later, first);
  const behind = { ...FLAGS, host: "0.0.0.0", advertise: "a.example", raftPort: 27001 };
  const second = nodePlace(behind, {});
  assertEquals(second.clientAddress, { host: "a.example", port: 7001 });
  assertEquals(nodePlace(FLAGS, second.settings), second);
});

Deno.test("announced addresses are remembered from start to start, also with the same --host again", () => {
  const flags = { ...FLAGS, host: "0.0.0.0", advertise: "a.example", advertiseRaftPort: 37001 };
  const first = nodePlace(flags, {});
  assertEquals(first.raftAddress, { host: "a.example", port: 37001 });
  const second = nodePlace({ ...FLAGS, host: "0.0.0.0" }, first.settings);
  assertEquals(second, first);
  assertEquals(nodePlace(FLAGS, second.settings), first);
});

Deno.test("the flags of a start override what is remembered", () => {
  const remembered = { host: "10.0.0.1", advertise: "a.example", raftPort: 27001 };
  const moved = nodePlace({ ...FLAGS, host: "10.0.0.9" }, remembered);
  assertEquals(moved.clientAddress.host, "10.0.0.9");
  assertEquals([moved.raftPort, moved.settings.advertise], [27001, undefined]);
  assertEquals(nodePlace({ ...FLAGS, advertise: "b" }, remembered).clientAddress.host, "b");
  assertEquals(nodePlace({ ...FLAGS, port: 7009 }, { host: "10.0.0.1" }).raftPort, 17009);
});

Deno.test("contradictions are refused with a message", () => {
  assertEquals(
    refusal({ host: "10.0.0.1", peers: parsePeers("n1=10.0.0.1:7001,n2=10.0.0.2:7001") }),
    "Cannot use --peers: n1=10.0.0.1:7001 is the address for clients: give the Raft port, 17001",
  );
  assertEquals(
    refusal({ host: "10.0.0.1", raftPort: 27001, peers: PEERS }),
    "Cannot use --peers: n1=10.0.0.1:17001 contradicts the Raft port 27001: make them the same, " +
      "or give --advertise-raft-port if a router forwards one to the other",
  );
  assertEquals(
    refusal({ peers: PEERS }),
    "Cannot use --peers: n1=10.0.0.1:17001 contradicts --host 127.0.0.1: give --host 10.0.0.1, " +
      "or --advertise",
  );
  for (const host of ["0.0.0.0", "::"]) {
    const wanted = `Cannot tell others to reach this node at ${host}: give --advertise HOST`;
    assertEquals(refusal({ host }), wanted);
    assertEquals(refusal({ host: "10.0.0.1", advertise: host }), wanted);
  }
  assertEquals(
    refusal({ raftPort: 7001 }),
    "Cannot use --port and --raft-port with the same port: both are 7001",
  );
  assertEquals(
    refusal({ proxyPort: 17001 }),
    "Cannot use --raft-port and --proxy-port with the same port: both are 17001",
  );
  assertEquals(
    refusal({ httpPort: 17001 }),
    "Cannot use --raft-port and --http-port with the same port: both are 17001",
  );
  assertThrows(() => parsePeers("n1=h:1,n2=h:1"), UserError, "each address once");
});

Deno.test("a forwarded Raft port, and an address beyond a router, are not contradictions", () => {
  const forwarded = { ...FLAGS, host: "10.0.0.1", raftPort: 27001, advertiseRaftPort: 17001 };
  const place = nodePlace({ ...forwarded, peers: PEERS }, {});
  assertEquals([place.raftPort, place.raftAddress.port], [27001, 17001]);
  assertEquals(nodePlace(FLAGS, place.settings).raftAddress, place.raftAddress);
  nodePlace({ ...FLAGS, host: "192.168.0.1", advertise: "203.0.113.9", peers: PEERS }, {});
  nodePlace({ ...FLAGS, host: "0.0.0.0", advertise: "a.example", peers: PEERS }, {});
});

Deno.test("peers on other machines do not get a loopback address", () => {
  const loopback = { clientAddress: { host: "127.0.0.1", port: 7001 } };
  assertEquals(
    assertThrows(() => checkReachable(loopback, PEERS), UserError).message,
    "Cannot tell n1 at 10.0.0.1:17001 to reach this node at 127.0.0.1: give --host, or " +
      "--advertise, with an address of this machine",
  );
  checkReachable(loopback, parsePeers("n1=127.0.0.1:1,n2=localhost:1,n3=[::1]:1"));
  checkReachable({ clientAddress: { host: "10.0.0.1", port: 7001 } }, PEERS);
});
