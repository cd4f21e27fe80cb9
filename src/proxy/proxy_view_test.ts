import { assertEquals, assertInstanceOf } from "@std/assert";
import { PROCESS_FACTS } from "../../tests/support/process_facts.ts";
import { ProxyBench } from "../../tests/support/proxy/proxy_bench.ts";
import { MapReply, type Reply } from "../resp/reply.ts";
import { Rates, type RespListener } from "../server/listener.ts";
import { proxyClusterView, proxyInfo, roleReply } from "./proxy_view.ts";

const TOTALS = { connections: 0, requests: 0, rejected: 0, inputBytes: 0, outputBytes: 0 };

/** What `INFO` and `CLUSTER ROLE` tell of each node, and `INFO` of keys. */
function told(bench: ProxyBench) {
  const known = bench.core.status();
  const status = { ...known, nodes: known.nodes.map((node) => ({ ...node, keys: 10 })) };
  const listener = {
    totals: TOTALS,
    rates: new Rates(TOTALS, 0),
    clock: { monotonicMs: () => 0 },
    address: { host: "127.0.0.1", port: 7000 },
    connections: new Map(),
    limits: { clientsMax: 10 },
  } as unknown as RespListener;
  const view = proxyClusterView(status, "f".repeat(40), "127.0.0.1:7000");
  const sources = { status, view, facts: PROCESS_FACTS, nowMs: 0, listener };
  const nodes = [...proxyInfo(sources, ["nodes"]).matchAll(/id=(n\d),.*answers=(\d),serving=(\d)/g)]
    .map(([, id, answers, serving]) => [id, answers, serving].join(" "));
  const keys = /^db0:.*$/m.exec(proxyInfo(sources, ["keyspace"]))?.[0]?.trim() ?? "";
  const role = roleReply(status);
  assertInstanceOf(role, MapReply);
  const [, roles] = role.pairs.find(([name]) => name === "nodes") ?? [];
  const responsive = (roles as readonly Reply[]).map((node) => {
    assertInstanceOf(node, MapReply);
    return node.pairs.find(([name]) => name === "responsive")?.[1];
  });
  return { nodes, keys, responsive };
}

Deno.test("a proxy tells which nodes answer and serve, and of the keys of those that answer", () => {
  const bench = ProxyBench.ready();
  const all = told(bench);
  assertEquals([all.nodes, all.responsive], [["n1 1 1", "n2 1 1", "n3 1 1"], [1, 1, 1]]);
  assertEquals(all.keys, "db0:keys=10,expires=0,avg_ttl=0");
  bench.cluster.node(2).kill();
  bench.advance(300);
  assertEquals([told(bench).nodes[2], told(bench).responsive], ["n3 0 0", [1, 1, 0]]);
  bench.cluster.nodes.forEach((node) => node.kill());
  bench.advance(1_000);
  assertEquals([told(bench).keys, told(bench).responsive.includes(1)], ["", false]);
});

Deno.test("seeds that have not answered yet are shown in the order of their addresses", () => {
  const seeds = ["10.0.0.9:7001", "10.0.0.1:7001", "10.0.0.5:7001"];
  const bench = new ProxyBench({ seeds });
  const shown = bench.core.status().nodes.map(({ id, address }) => `${id}${address}`);
  assertEquals(shown, seeds.toSorted());
});
