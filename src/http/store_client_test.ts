import { assertEquals, assertRejects } from "@std/assert";
import { ProxyBench } from "../../tests/support/proxy/proxy_bench.ts";
import { OK } from "../resp/reply.ts";
import { Problem } from "./problem.ts";
import { StoreClient } from "./store_client.ts";

Deno.test("commands go by the router, each as a client of its own", async () => {
  const bench = ProxyBench.ready();
  const store = new StoreClient(() => bench.core.router, bench.clock);
  const replies = Promise.all([
    store.request(["SET", "key", "value"]),
    store.request(["GET", "none"]),
  ]);
  bench.advance(100);
  assertEquals(await replies, [OK, null]);
  const value = store.request(["GET", "key"]);
  bench.advance(100);
  assertEquals(await value, "value");
});

Deno.test("an error reply is a problem", async () => {
  const bench = new ProxyBench({ seeds: ["10.0.0.9:7001"], limits: { holdMsMax: 50 } });
  const store = new StoreClient(() => bench.core.router, bench.clock);
  const failing = assertRejects(() => store.request(["GET", "key"]), Problem, "no leader, held");
  bench.advance(100);
  assertEquals((await failing).code, "unavailable");
});
