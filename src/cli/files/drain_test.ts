import { assertEquals, assertRejects } from "@std/assert";
import { withListener } from "../../../tests/support/listener_bench.ts";
import { UserError } from "../../base/errors.ts";
import { ErrorReply, MapReply, type Reply } from "../../resp/reply.ts";
import { StatusLine } from "../progress.ts";
import { drain } from "./drain.ts";

const NET = { permissions: { net: true } } as const;

interface Node {
  state: string;
  blobs: number;
  weight?: number;
}

/** A cluster of n1 and n2 that answers what `drain` asks. */
class FakeCluster {
  nodes: Record<string, Node> = { n1: { state: "up", blobs: 5 }, n2: { state: "up", blobs: 5 } };
  missing = 0;
  /** Copies of lost files, which are missing for good. */
  missingOfLost = 0;
  below = 0;
  lost = 0;
  knowsFiles = true;
  isMemberDead = false;
  readonly writes: string[] = [];
  readonly warnings: string[] = [];
  /** Called before each `FILE REPAIR STATUS`. */
  onLook: () => void = () => {};

  answer([name = "", sub = "", ...rest]: readonly string[], address: string): Reply {
    switch (`${name} ${sub}`) {
      case "CLUSTER MEMBERS":
        return ["n1", address, "n2", this.isMemberDead ? "127.0.0.1:1" : address];
      case "CLUSTER ROLE":
        return new MapReply([["id", "n2"]]);
      case "FILE NODES":
        if (!this.knowsFiles) {
          return new ErrorReply("ERR unknown command 'FILE', with args beginning with: 'NODES'");
        }
        return new MapReply([[
          "nodes",
          Object.entries(this.nodes).map(([id, node]) =>
            new MapReply([
              ["id", id],
              ["state", node.state],
              ["ring-weight", node.state === "up" ? String(node.weight ?? 1) : "0"],
              ["blobs", node.blobs],
            ])
          ),
        ]]);
      case "FILE REPAIR":
        this.onLook();
        return new MapReply([
          ["missing", this.missing + this.missingOfLost],
          ["missing-of-lost", this.missingOfLost],
          ["below", this.below],
          ["lost", this.lost],
        ]);
      default:
        this.writes.push([name, sub, ...rest].join(" "));
        return 1;
    }
  }

  async drained(stalledMs = 60_000): Promise<() => Promise<void>> {
    let undo = () => Promise.resolve();
    await this.serving(async (address) => {
      undo = await drain({
        addresses: [address],
        id: "n2",
        stalledMs,
        lookMs: 1,
        line: new StatusLine(),
        warn: (message) => void this.warnings.push(message),
      });
      await undo();
    });
    return undo;
  }

  serving(test: (address: { host: string; port: number }) => Promise<void>): Promise<void> {
    return withListener({}, async (listener, recorder) => {
      let isOver = false;
      let answered = 0;
      const answering = (async () => {
        for (;;) {
          await recorder.until(() => isOver || recorder.pending.length > answered);
          if (isOver) return;
          const { args, reply } = recorder.pending[answered++] ?? {};
          reply?.settle(this.answer(args ?? [], `127.0.0.1:${listener.address.port}`));
        }
      })();
      try {
        await test(listener.address);
      } finally {
        isOver = true;
        recorder.closedOne({} as never); // looks again
        await answering;
      }
    });
  }
}

Deno.test("a drain waits until no copy is missing elsewhere, and can be undone", NET, async () => {
  const cluster = new FakeCluster();
  cluster.missing = 4;
  cluster.onLook = () => cluster.missing--;
  await cluster.drained();
  assertEquals(cluster.missing, 0);
  assertEquals(cluster.writes, ["FILE DRAIN n2", "FILE DRAIN n2 OFF"]);
  assertEquals(cluster.warnings, []);
});

Deno.test(
  "a drain does not wait for files that are lost, and tells their number",
  NET,
  async () => {
    const cluster = new FakeCluster();
    cluster.missing = 3;
    cluster.missingOfLost = 2;
    cluster.lost = 1;
    cluster.onLook = () => cluster.missing--;
    await cluster.drained(2_000);
    assertEquals(cluster.missing, 0);
    assertEquals(cluster.warnings, [
      "1 file has no copy on any available node, so that the drain does not wait for it",
    ]);
  },
);

Deno.test("a node without files is not waited for", NET, async () => {
  const cluster = new FakeCluster();
  cluster.missing = 4; // for another reason
  cluster.nodes.n2 = { state: "up", blobs: 0 };
  await cluster.drained();
  assertEquals(cluster.writes[0], "FILE DRAIN n2");
});

Deno.test(
  "a cluster without files, or a node that holds none, has nothing to drain",
  NET,
  async () => {
    const old = new FakeCluster();
    old.knowsFiles = false;
    await old.drained();
    assertEquals(old.writes, []);
    const foreign = new FakeCluster();
    delete foreign.nodes.n2;
    await foreign.drained();
    assertEquals(foreign.writes, []);
  },
);

Deno.test("a dead node is not drained, and the user is told", NET, async () => {
  const out = new FakeCluster();
  out.nodes.n2 = { state: "out", blobs: 5 };
  out.below = 2;
  out.lost = 1;
  await out.drained();
  assertEquals(out.writes, []);
  assertEquals(out.warnings, [
    "n2 is out, so that its files cannot be moved from there",
    "2 files have too few copies, 1 of them none at all",
  ]);
  const silent = new FakeCluster();
  silent.isMemberDead = true;
  await silent.drained();
  assertEquals(silent.writes, []);
  assertEquals(silent.warnings, [
    "n2 does not answer, so that its files cannot be moved from there",
  ]);
  const dying = new FakeCluster();
  dying.missing = 4;
  dying.onLook = () => dying.nodes.n2 = { state: "out", blobs: 5 };
  await dying.drained();
  assertEquals(dying.warnings, [
    "n2 is out now, so that the rest of its files cannot be moved from there",
  ]);
});

Deno.test("a drain that makes no progress is given up", NET, async () => {
  const cluster = new FakeCluster();
  cluster.missing = 3;
  await assertRejects(
    () => cluster.drained(20),
    UserError,
    "3 copies are still missing on other nodes, and none has come for 0 s; it goes on draining",
  );
  assertEquals(cluster.writes, ["FILE DRAIN n2"]);
});

Deno.test("the last node with room for files is not drained", NET, async () => {
  const cluster = new FakeCluster();
  cluster.nodes.n1 = { state: "up", blobs: 0, weight: 0 };
  await assertRejects(() => cluster.drained(), UserError, "there is no other node for its files");
  assertEquals(cluster.writes, []);
});
