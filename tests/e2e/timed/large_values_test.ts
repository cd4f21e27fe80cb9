import { assertEquals } from "@std/assert";
import { NODE_DEFAULTS } from "../../../src/node/node_parts.ts";
import { DEFAULT_CLIENT_LIMITS } from "../../../src/server/limits.ts";
import { ask } from "../../support/local_cluster.ts";
import { replyText } from "../../support/reply_text.ts";
import { withoutElection } from "../../support/without_election.ts";

const { electionMs } = NODE_DEFAULTS;
const TIMEOUT_MS = 60_000;
const VALUE_BYTES = DEFAULT_CLIENT_LIMITS.bulkBytesMax;

Deno.test("the largest value that the flags allow goes through without an election", async () => {
  await withoutElection({ electionMs }, async (cluster, leader) => {
    // Bytes above 127 take longer than ASCII.
    const value = "\xe9b\0\xff".repeat(VALUE_BYTES / 4);
    for (const member of [leader, cluster.proxy]) {
      const set = await ask(member, ["SET", "large", value], TIMEOUT_MS);
      assertEquals(set === null ? null : replyText(set), "OK");
      const length = await ask(member, ["STRLEN", "large"], TIMEOUT_MS);
      assertEquals(length, value.length);
    }
  });
});
