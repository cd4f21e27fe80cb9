import { assertEquals, assertMatch } from "@std/assert";
import { portHolder, takenPorts } from "./ports.ts";

const hostname = "127.0.0.1";

Deno.test("a taken port is named, unless it is freed in time", async () => {
  const listener = Deno.listen({ hostname, port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  assertEquals(await takenPorts(hostname, [port]), [port]);
  const taken = takenPorts(hostname, [port]);
  listener.close();
  assertEquals(await taken, []);
});

Deno.test("a silent listener is identified by its process, if at all", async () => {
  const listener = Deno.listen({ hostname, port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const accepting = listener.accept().then((connection) => connection.close());
  const { description, nodeId } = await portHolder({ host: hostname, port });
  assertMatch(description, new RegExp(`^(another process|\\S+, pid ${Deno.pid})$`));
  assertEquals(nodeId, null);
  await accepting;
  listener.close();
});
