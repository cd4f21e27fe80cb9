import { assertEquals } from "@std/assert";
import { codeOf, content, ID, MIB, put, withPlace } from "../../tests/support/blob_place.ts";
import { silentLogger } from "../base/logger.ts";
import { systemClock } from "../platform/clock.ts";
import { HttpBlobPeers } from "./blob_peers.ts";
import { BlobServer } from "./blob_server.ts";

Deno.test("a node that is cut off begins no exchange of contents, and those under way end", async () => {
  await withPlace(async ({ open }) => {
    const store = await open();
    const size = 8 * MIB;
    await put(store, content(size));
    let isAskerCutOff = false;
    const cutOff = new Set<string | null>();
    const shared = { clock: systemClock, logger: silentLogger };
    const server = await BlobServer.open({
      ...shared,
      address: { host: "127.0.0.1", port: 0 },
      clusterId: "ours",
      store,
      isCutOff: (node) => cutOff.has(node),
    });
    const address = `127.0.0.1:${server.port}`;
    const clusterId = () => "ours";
    const node = new HttpBlobPeers({
      ...shared,
      clusterId,
      node: "n2",
      isCutOff: (to) => isAskerCutOff && to === address,
    });
    const proxy = new HttpBlobPeers({ ...shared, clusterId });

    const ends = async (begin: () => void) => {
      assertEquals([await node.ping(address), await proxy.ping(address)], [true, true]);
      const chunks = node.pull(address, ID, 0, size);
      await chunks.next();
      begin();
      const code = await codeOf(async () => {
        for await (const _ of chunks); // nothing: it breaks off
      });
      assertEquals(code, "unavailable");
      assertEquals([await node.ping(address), await proxy.ping(address)], [false, true]);
    };
    await ends(() => cutOff.add("n2")); // as the holder sees it
    cutOff.clear();
    await ends(() => {
      isAskerCutOff = true;
      node.disconnectCutOff();
    });
    isAskerCutOff = false;
    assertEquals(await node.ping(address), true);
    cutOff.add(null);
    assertEquals([await node.ping(address), await proxy.ping(address)], [true, false]);
    for (const peers of [node, proxy]) peers.close();
    await server.close();
    await store.close();
  });
});
