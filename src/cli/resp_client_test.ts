import { assertRejects } from "@std/assert";
import { ConnectionLost, RespClient } from "./resp_client.ts";

Deno.test("an invalid reply ends the connection, not the process", {
  permissions: { net: true },
}, async () => {
  for (const answer of ["+no line feed\r", ":abc\r\n", "#x\r\n", "nonsense\r\n"]) {
    const server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = server.addr as Deno.NetAddr;
    const answering = server.accept().then(async (connection) => {
      await connection.read(new Uint8Array(100));
      await connection.write(new TextEncoder().encode(answer));
      connection.close();
    });
    const client = await RespClient.connect({ host: "127.0.0.1", port });
    await assertRejects(() => client.request(["PING"]), ConnectionLost);
    await answering;
    client.close();
    await client.ended;
    server.close();
  }
});
