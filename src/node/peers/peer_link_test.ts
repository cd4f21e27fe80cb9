import { assertEquals } from "@std/assert";
import { seededRandom } from "../../base/random.ts";
import type { StreamHandlers } from "../network.ts";
import { ManualClock } from "../testing/manual_clock.ts";
import { PeerLink } from "./peer_link.ts";

Deno.test("a peer that does not read gets no more, and the loss is told", () => {
  let handlers: StreamHandlers | undefined;
  let pendingBytes = 0;
  let writeCount = 0;
  const lost: string[] = [];
  const link = new PeerLink({ host: "memory", port: 17002 }, {
    peer: "n2",
    hello: () => "{}",
    onRemoved: () => {},
    network: {
      listen: () => Promise.reject(new Error("nobody listens here")),
      connect: (_address, given) => {
        handlers = given;
        return {
          remote: "n2",
          handle() {},
          write: () => void writeCount++,
          pendingBytes: () => pendingBytes,
          close() {},
        };
      },
    },
    clock: new ManualClock(),
    random: seededRandom(1),
    onLost: (peer) => lost.push(peer),
  });
  handlers?.onOpen();
  const sendOne = () => {
    link.send({ type: "heartbeat", from: "n1", to: "n2", term: 1, commit: 0, round: 0 });
    link.flush();
    return [writeCount, lost.length];
  };
  assertEquals(sendOne(), [2, 0]); // after the hello
  pendingBytes = 2 ** 30;
  assertEquals(sendOne(), [2, 1]);
  pendingBytes = 0;
  assertEquals(sendOne(), [3, 1]);
});
