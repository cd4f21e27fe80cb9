import { assertEquals, assertInstanceOf } from "@std/assert";
import { MemoryCluster } from "../../tests/support/node/memory_cluster.ts";
import { serve } from "../../tests/support/serve.ts";
import { ErrorReply, MapReply, OK, type Reply } from "../resp/reply.ts";
import { forgetMember, joinMember, transferLeadership } from "./cluster_commands.ts";

async function withLeader(test: (run: (...args: string[]) => Reply) => void): Promise<void> {
  const cluster = await MemoryCluster.start(1);
  try {
    cluster.untilServing();
    const { leader } = cluster;
    test((...args) => {
      let answer: Reply | undefined;
      const settle = (reply: Reply) => void (answer = reply);
      const served = serve(["CLUSTER", ...args], {
        ofLeader: {
          join: (id, address, incarnation) => joinMember(leader, id, address, incarnation, settle),
          forgetMember: (id, option) => forgetMember(leader, id, option, settle),
          transfer: (id) => transferLeadership(leader, id, settle),
        },
      });
      if (served instanceof ErrorReply) return served;
      cluster.until(() => answer !== undefined);
      return answer as Reply;
    });
  } finally {
    cluster.stop();
  }
}

function errorOf(reply: Reply): string {
  assertInstanceOf(reply, ErrorReply);
  return reply.text;
}

Deno.test("a new node learns its cluster, and the addresses of members", () =>
  withLeader((run) => {
    const wanted = new MapReply([
      ["cluster-id", "memory"],
      ["members", new MapReply([["n1", "memory:17001"], ["n2", "[::1]:17002"]])],
    ]);
    assertEquals(run("join", "n2", "[::1]:17002", "i2"), wanted);
    assertEquals(run("JOIN", "n2", "[::1]:17002", "i2"), wanted);
    assertEquals(run("forget", "n2", "force"), OK);
    assertEquals(run("TRANSFER", "n1"), OK);
  }));

Deno.test("an invalid change of members is refused", () =>
  withLeader((run) => {
    const wrongCount = (name: string) =>
      `ERR wrong number of arguments for 'cluster|${name}' command`;
    assertEquals(errorOf(run("join", "n2")), wrongCount("join"));
    assertEquals(errorOf(run("join", "n2", "h:1")), wrongCount("join"));
    assertEquals(errorOf(run("join", "n2", "h:1", "a b")), "ERR invalid incarnation");
    assertEquals(errorOf(run("forget")), wrongCount("forget"));
    assertEquals(errorOf(run("forget", "n2", "force", "x")), wrongCount("forget"));
    assertEquals(errorOf(run("transfer", "n2", "x")), wrongCount("transfer"));
    assertEquals(errorOf(run("forget", "n2", "now")), "ERR syntax error");
    for (const id of ["", "n 2", "n2\r\n", "n".repeat(65), "__proto__\x00"]) {
      for (const words of [["join", id, "h:1", "i2"], ["forget", id], ["transfer", id]]) {
        assertEquals(errorOf(run(...words)), "ERR invalid node id");
      }
    }
    for (const address of ["", "h", "h:", ":1", "h:0", "h:65536", "h:1e3", "a b:1", "h:1\r\n"]) {
      assertEquals(
        errorOf(run("join", "n2", address, "i2")),
        "ERR the address is not <host>:<raft-port>",
      );
    }
    assertEquals(
      errorOf(run("forget", "__proto__")),
      "ERR __proto__ is not a member of this cluster: its members are n1",
    );
  }));
