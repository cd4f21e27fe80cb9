import { assertRejects } from "@std/assert";
import { UserError } from "../../base/errors.ts";
import { untilPortsFree } from "./ports.ts";

const hostname = "127.0.0.1";

Deno.test("a taken port is named; freed in time, it is none", async () => {
  const listener = Deno.listen({ hostname, port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  await assertRejects(
    () => untilPortsFree(hostname, [port]),
    UserError,
    `127.0.0.1:${port}: the port`,
  );
  const free = untilPortsFree(hostname, [port]);
  listener.close();
  await free;
});
