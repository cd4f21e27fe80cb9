import { assertEquals, assertThrows } from "@std/assert";
import { isAddressInUse } from "./sockets.ts";

Deno.test("an address is in use, free, or one that nobody can listen on", () => {
  const held = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = held.addr as Deno.NetAddr;
  assertEquals(isAddressInUse({ host: "127.0.0.1", port }), true);
  held.close();
  assertEquals(isAddressInUse({ host: "127.0.0.1", port }), false);
  // Of the block that documentation has for itself: no machine has it.
  assertThrows(() => isAddressInUse({ host: "192.0.2.1", port }), Deno.errors.AddrNotAvailable);
});
