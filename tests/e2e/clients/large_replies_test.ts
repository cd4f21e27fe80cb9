import { assert, assertEquals, assertMatch } from "@std/assert";
import { encodeRequest } from "../../../src/resp/encode.ts";
import { CALM } from "../../support/calm.ts";
import { ask, type Member } from "../../support/local_cluster.ts";
import { withRawConnection } from "../../support/raw_connection.ts";
import { replyText } from "../../support/reply_text.ts";
import { withCluster } from "../../support/with_cluster.ts";

const MIB = 1024 * 1024;
/** Together with the third request's reply longer than the longest string of V8. */
const SIZES = { large: 8_000_000, odd: 1_042_600, mib: MIB };
const KEYS_ASKED = 511;
/** Time for which the client reads nothing, so that all replies accumulate. */
const UNREAD_MS = 4_000;

Deno.test("replies longer than V8's longest string end no process, at a node and through the proxy", async () => {
  await withCluster(CALM, async (cluster) => {
    const leader = await cluster.leader();
    for (const [key, size] of Object.entries(SIZES)) {
      const reply = await ask(leader, ["SET", key, "x".repeat(size)]);
      assertEquals(reply === null ? null : replyText(reply), "OK");
    }
    const members = [...cluster.nodes, cluster.proxy];
    const before = members.map(({ process }) => process.processId);
    for (const member of [cluster.proxy, leader]) await collects(member);
    assertEquals(members.map(({ process }) => [process.processId, process.isRunning]), [
      ...before.map((id): [number, boolean] => [id, true]),
    ]);
  });
});

async function collects({ port }: Member): Promise<void> {
  await withRawConnection(port, async (connection) => {
    await connection.send(
      encodeRequest(["GET", "large"]) + encodeRequest(["GET", "odd"]) +
        encodeRequest(["MGET", ...new Array(KEYS_ASKED).fill("mib")]) +
        encodeRequest(["MGET", ...new Array(100).fill("mib")]) + encodeRequest(["PING"]),
    );
    await new Promise((resolve) => setTimeout(resolve, UNREAD_MS));
    const bulk = (size: number) => size + `$${size}\r\n\r\n`.length;
    const expected = bulk(SIZES.large) + bulk(SIZES.odd);
    let text = await connection.read(expected + 200);
    assertMatch(
      text.slice(expected, expected + 200),
      /^-ERR The reply is too large, more than 268435456 bytes \(--output-bytes-max\)\r\n\*100\r\n/,
    );
    let bytes = text.length;
    while (!text.endsWith("+PONG\r\n")) {
      text = await connection.read(1);
      assert(text !== "", `cut off after ${bytes} bytes`);
      bytes += text.length;
    }
    assert(bytes > expected + 100 * MIB, `${bytes} bytes`);
  });
}
