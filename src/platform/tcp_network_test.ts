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

/** How long until the kernel probes a connection from this port, in seconds; `null`: it never does. */
function keepAliveSeconds(port: number): number | null {
  const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
  const line = Deno.readTextFileSync("/proc/net/tcp").split("\n")
    .find((one) => one.trim().split(/ +/)[1]?.endsWith(`:${hexPort}`) && one.includes(" 01 "));
  // The timer's kind and when it fires, in hundredths of a second: 2 is keep-alive's.
  const [kind, when = ""] = line?.trim().split(/ +/)[5]?.split(":") ?? [];
  return kind === "02" ? Math.round(parseInt(when, 16) / 100) : null;
}

Deno.test({
  name: "both ends of a connection probe whether the other machine is still there",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const open = Promise.withResolvers<void>();
    const accepted = Promise.withResolvers<void>();
    const ports: number[] = [];
    const quiet = { onData() {}, onClose() {} };
    const listener = await tcpNetwork.listen({ host: "127.0.0.1", port: 0 }, (stream) => {
      ports.push(Number(stream.remote.split(":")[1]));
      stream.handle({ ...quiet, onOpen() {} });
      accepted.resolve();
    });
    const sender = tcpNetwork.connect(listener.address, { ...quiet, onOpen: open.resolve });
    try {
      await Promise.all([open.promise, accepted.promise]);
      ports.push(listener.address.port);
      for (const port of ports) {
        const seconds = keepAliveSeconds(port);
        assert(seconds !== null && seconds > 50 && seconds <= 60, `${port}: ${seconds}`);
      }
    } finally {
      sender.close();
      listener.close();
    }
  },
});

Deno.test("a stream that was closed here reports nothing more, and takes no more data", async () => {
  const reported: string[] = [];
  const accepted = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const listener = await tcpNetwork.listen({ host: "127.0.0.1", port: 0 }, (stream) => {
    stream.handle({ onOpen() {}, onData() {}, onClose: () => ended.resolve() });
    accepted.resolve();
  });
  const stream = tcpNetwork.connect(listener.address, {
    onOpen() {
      reported.push("open");
      opened.resolve();
    },
    onData: () => reported.push("data"),
    onClose: () => reported.push("close"),
  });
  await Promise.all([accepted.promise, opened.promise]);
  stream.close();
  stream.write("late");
  await ended.promise;
  assertEquals([reported, stream.pendingBytes()], [["open"], 0]);
  listener.close();
});
