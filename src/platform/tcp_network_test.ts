import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { tcpNetwork } from "./tcp_network.ts";

const MIB = 1024 * 1024;

Deno.test("long texts arrive whole and in order, and unsent bytes are reported", async () => {
  const long = "\xffa".repeat(4 * MIB);
  const sent = [long, "small", new Uint8Array(2 * MIB).fill(7), long, "last"];
  const expected = createHash("sha256");
  let missingBytes = 0;
  for (const data of sent) {
    expected.update(typeof data === "string" ? Buffer.from(data, "latin1") : data);
    missingBytes += data.length;
  }
  const received = createHash("sha256");
  const { promise, resolve } = Promise.withResolvers<void>();
  const listener = await tcpNetwork.listen({ host: "127.0.0.1", port: 0 }, (stream) => {
    stream.handle({
      onOpen() {},
      onData(bytes) {
        received.update(bytes);
        missingBytes -= bytes.length;
        if (missingBytes === 0) resolve();
      },
      onClose() {},
    });
  });
  const sender = tcpNetwork.connect(listener.address, {
    onOpen() {
      for (const data of sent) sender.write(data);
      assert(sender.pendingBytes() > 10 * MIB, "what waits is not told");
    },
    onData() {},
    onClose() {},
  });
  await promise;
  assertEquals(received.digest("hex"), expected.digest("hex"));
  sender.close();
  listener.close();
});
