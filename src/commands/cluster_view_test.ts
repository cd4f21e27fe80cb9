import { assertEquals } from "@std/assert";
import { serve } from "../../tests/support/serve.ts";
import { encodeReply } from "../resp/encode.ts";
import {
  type ClusterNode,
  type ClusterView,
  nodesText,
  redisRole,
  replicationFields,
  shardsReply,
  slotsReply,
} from "./cluster_view.ts";

function node(id: string, changes: Partial<ClusterNode> = {}): ClusterNode {
  const address = { host: `h-${id}`, port: 7001 };
  return { id, address, busPort: 17001, isConnected: true, offset: 5, epoch: 3, ...changes };
}

function view(changes: Partial<ClusterView> = {}): ClusterView {
  return {
    id: "n1",
    term: 3,
    isServing: true,
    isCatchingUp: false,
    nodes: [
      node("n2", { offset: 4 }),
      node("n1"),
      node("n3", { isConnected: false, address: null }),
    ],
    masterId: "n1",
    isMaster: true,
    masterAddress: { host: "h-n1", port: 7001 },
    offset: 5,
    members: [],
    ...changes,
  };
}

const text = (of: Parameters<typeof encodeReply>[0]) =>
  encodeReply(of, 2).replaceAll("\r\n", " ").trimEnd();

Deno.test("a member whose address is unknown is told as one without", () => {
  assertEquals(
    nodesText(view()),
    "n2 h-n2:7001@17001 slave n1 0 0 3 connected\n" +
      "n1 h-n1:7001@17001 myself,master - 0 0 3 connected 0-16383\n" +
      "n3 :0@17001 slave,noaddr n1 0 0 3 disconnected\n",
  );
});

Deno.test("slots belong to the last known leader, and to nobody before there is one", () => {
  assertEquals(
    text(slotsReply(view())),
    "*1 *4 :0 :16383 *4 $4 h-n1 :7001 $2 n1 *0 " +
      "*4 $4 h-n2 :7001 $2 n2 *0",
  );
  const nobody = [{ masterId: null }, { masterId: "n9" }, { masterId: "n3" }];
  for (const changes of nobody) {
    assertEquals([slotsReply(view(changes)), shardsReply(view(changes))], [[], []]);
  }
});

Deno.test("ROLE and INFO tell of a master those replicas that it reaches", () => {
  assertEquals(text(redisRole(view())), "*3 $6 master :5 *1 *3 $4 h-n2 $4 7001 $1 4");
  assertEquals(replicationFields(view()), [
    ["role", "master"],
    ["connected_slaves", 1],
    ["slave0", "ip=h-n2,port=7001,state=online,offset=4,lag=1"],
    ["master_repl_offset", 5],
  ]);
});

Deno.test("ROLE and INFO tell of a replica whom it follows, if anybody", () => {
  const replica = view({ isMaster: false });
  assertEquals(text(redisRole(replica)), "*5 $5 slave $4 h-n1 :7001 $9 connected :5");
  assertEquals(replicationFields(replica).slice(0, 5), [
    ["role", "slave"],
    ["master_host", "h-n1"],
    ["master_port", 7001],
    ["master_link_status", "up"],
    ["master_sync_in_progress", 0],
  ]);
  const alone = view({
    isMaster: false,
    masterAddress: null,
    isServing: false,
    isCatchingUp: true,
  });
  assertEquals(text(redisRole(alone)), "*5 $5 slave $0  :0 $7 connect :5");
  assertEquals(replicationFields(alone).slice(0, 5), [
    ["role", "slave"],
    ["master_host", ""],
    ["master_port", 0],
    ["master_link_status", "down"],
    ["master_sync_in_progress", 1],
  ]);
});

Deno.test("CLUSTER MYID is the id of who is asked", () => {
  assertEquals(serve(["CLUSTER", "MYID"], { clusterView: () => view({ id: "n2" }) }), "n2");
});
