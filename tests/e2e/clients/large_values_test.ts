import { assertEquals } from "@std/assert";
import { DEFAULT_CLIENT_LIMITS } from "../../../src/server/limits.ts";
import { ask, roleOf } from "../../support/local_cluster.ts";
import { replyText } from "../../support/reply_text.ts";
import { withCluster } from "../../support/with_cluster.ts";

const TIMEOUT_MS = 40_000;
const VALUE_BYTES = DEFAULT_CLIENT_LIMITS.bulkBytesMax;

Deno.test("the largest value that the flags allow goes through without an election", async () => {
  await withCluster({}, async (cluster) => {
    const leader = await cluster.leader();
    const before = await roleOf(leader);
    // Bytes above 127 take longer than ASCII.
    const value = "\xe9b\0\xff".repeat(VALUE_BYTES / 4);
    for (const member of [leader, cluster.proxy]) {
      const set = await ask(member, ["SET", "large", value], TIMEOUT_MS);
      assertEquals(set === null ? null : replyText(set), "OK");
      const length = await ask(member, ["STRLEN", "large"], TIMEOUT_MS);
      assertEquals(length, value.length);
    }
    const after = await roleOf(leader);
    assertEquals([after?.role, after?.term], ["leader", before?.term]);
  });
});
