import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { DiskCluster } from "../../tests/support/disk_cluster.ts";
import { FakeConnection } from "../../tests/support/fake_connection.ts";
import { MemoryClient } from "../../tests/support/node/memory_cluster.ts";
import { serve } from "../../tests/support/serve.ts";
import { type Answer, SETTLED_BY_HANDLER } from "../commands/local.ts";
import { ClientOrder, type Request } from "../node/clients/request.ts";
import type { Node } from "../node/node.ts";
import { EXPORTS_MAX, type SnapshotExport } from "../node/snapshots/snapshot_exports.ts";
import { ErrorReply, MapReply, type Reply } from "../resp/reply.ts";
import { decodeReply } from "../resp/reply_scanner.ts";
import { PendingReply } from "./pending_reply.ts";
import { READ_BYTES_MAX, SnapshotCommands } from "./snapshot_commands.ts";

/** A client of one node's snapshots. */
class SnapshotClient {
  readonly connection = new FakeConnection();
  readonly #cluster: DiskCluster;
  readonly #commands: SnapshotCommands;

  constructor(cluster: DiskCluster, commands: SnapshotCommands) {
    this.#cluster = cluster;
    this.#commands = commands;
  }

  sent(...args: string[]): PendingReply {
    const reply = new PendingReply(this.connection, 3);
    const request = ["SNAPSHOT", ...args];
    const commands = this.#commands;
    const answer = serve(
      request,
      {
        ofNode: {
          beginSnapshot: () => commands.begin(this.connection, new ClientOrder(), reply),
          readSnapshot: (_client, piece) => commands.read(this.connection, piece, reply),
          endSnapshot: (_client, id) => commands.end(this.connection, id),
        },
      },
      {},
      reply,
    ) as Answer;
    if (answer !== SETTLED_BY_HANDLER) reply.settle(answer);
    return reply;
  }

  ask(...args: string[]): Reply {
    const reply = this.sent(...args);
    this.#cluster.until(() => reply.text !== null);
    return decodeReply(reply.text ?? "");
  }

  begin(): Map<string, Reply> {
    const reply = this.ask("BEGIN");
    assertInstanceOf(reply, MapReply);
    return new Map(reply.pairs.map(([name, value]) => [String(name), value]));
  }

  error(...args: string[]): string {
    const reply = this.ask(...args);
    assertInstanceOf(reply, ErrorReply);
    return reply.text;
  }
}

async function withCluster(size: number, run: (cluster: DiskCluster) => void): Promise<void> {
  const cluster = new DiskCluster(size);
  await cluster.startAll();
  try {
    cluster.untilServing();
    run(cluster);
  } finally {
    cluster.stop();
  }
}

function write(cluster: DiskCluster, node: Node, key: string): void {
  const answer = new MemoryClient(node).send("SET", key, "value");
  cluster.until(() => answer.reply !== undefined);
}

Deno.test("a follower's snapshot has everything acknowledged before, however far behind it was", async () => {
  await withCluster(3, (cluster) => {
    const [behind = ""] = cluster.followers;
    const { node: leader } = cluster.life(cluster.leader);
    const { node } = cluster.life(behind);
    write(cluster, leader, "early");
    cluster.until(() => cluster.isEven());
    cluster.network.isolate(cluster.portOf(behind));
    for (let at = 0; at < 5; at++) write(cluster, leader, `k${at}`);
    const acknowledged = leader.report().appliedIndex;
    assert(node.report().appliedIndex < acknowledged);
    const client = new SnapshotClient(cluster, new SnapshotCommands(node));
    const begun = client.sent("BEGIN");
    cluster.clock.advance(1_000);
    assertEquals(begun.text, null);
    cluster.network.heal();
    cluster.until(() => begun.text !== null);
    const reply = decodeReply(begun.text ?? "");
    assertInstanceOf(reply, MapReply);
    const index = reply.pairs.find(([name]) => name === "index")?.[1];
    assert(Number(index) >= acknowledged, `${index} is before ${acknowledged}`);
  });
});

Deno.test("a snapshot is read in pieces, by the connection that began it", async () => {
  await withCluster(1, (cluster) => {
    const { node } = cluster.life("n1");
    write(cluster, node, "k");
    const commands = new SnapshotCommands(node);
    const [client, other] = [1, 2].map(() => new SnapshotClient(cluster, commands));
    assert(client !== undefined && other !== undefined);
    const fields = client.begin();
    const [id, size] = [String(fields.get("id")), Number(fields.get("size-bytes"))];
    const whole = client.ask("READ", id, "0", String(READ_BYTES_MAX));
    assertEquals(String(whole).length, size);
    const parts = [["0", "10"], ["10", String(size)]].map((part) =>
      client.ask("READ", id, ...part)
    );
    assertEquals(parts.join(""), whole);
    assertEquals(client.ask("READ", id, String(size + 5), "10"), "");
    assertMatch(other.error("READ", id, "0", "1"), /holds no snapshot of that id/);
    assertMatch(other.error("END", id), /holds no snapshot of that id/);
    client.ask("END", id);
    assertMatch(client.error("READ", id, "0", "1"), /holds no snapshot of that id/);
  });
});

Deno.test("a connection's snapshots end with it; one too many is refused", async () => {
  await withCluster(1, (cluster) => {
    const commands = new SnapshotCommands(cluster.life("n1").node);
    const client = new SnapshotClient(cluster, commands);
    for (let at = 0; at < EXPORTS_MAX; at++) client.begin();
    const other = new SnapshotClient(cluster, commands);
    assertMatch(other.error("BEGIN"), /^TRYAGAIN /);
    commands.forget(client.connection);
    other.begin();
  });
});

Deno.test("invalid requests are refused", async () => {
  await withCluster(1, (cluster) => {
    const client = new SnapshotClient(cluster, new SnapshotCommands(cluster.life("n1").node));
    const id = String(client.begin().get("id"));
    assertMatch(client.error("NOPE"), /^ERR unknown subcommand/i);
    assertMatch(client.error("BEGIN", "now"), /wrong number of arguments/);
    for (const [offset, bytes] of [["-1", "1"], ["0", "x"], ["0", String(READ_BYTES_MAX + 1)]]) {
      assertMatch(client.error("READ", id, offset ?? "", bytes ?? ""), /whole numbers/);
    }
  });
});

Deno.test("a disk that fails to store a snapshot, or returns it damaged, is reported, and nothing stays open", async () => {
  await withCluster(1, (cluster) => {
    const { node, disk, snapshots } = cluster.life("n1");
    write(cluster, node, "k");
    const client = new SnapshotClient(cluster, new SnapshotCommands(node));
    const error = new Error("no space left");
    cluster.faults.set(
      "n1",
      ({ path }) => path.startsWith("snapshots/") ? { kind: "error", error } : null,
    );
    const refusal = "ERR This node cannot provide a snapshot: its disk cannot store a snapshot";
    for (let count = 0; count <= EXPORTS_MAX; count++) assertEquals(client.error("BEGIN"), refusal);
    cluster.faults.clear();
    const id = String(client.begin().get("id"));
    const file = disk.open(`snapshots/${disk.list("snapshots")[0]}`, "existing");
    file.write(new Uint8Array([0xff]), (snapshots.newest()?.sizeBytes ?? 0) >> 1);
    const size = String(snapshots.newest()?.sizeBytes);
    assertMatch(
      client.error("READ", id, "0", size),
      /^ERR The snapshot is damaged, .* a new one is/,
    );
    assertMatch(client.error("READ", id, "0", "1"), /holds no snapshot of that id/);
    for (let count = 0; count < EXPORTS_MAX; count++) client.begin();
  });
});

Deno.test("an exception after a piece was read ends the connection that asked for it", async () => {
  await withCluster(1, (cluster) => {
    let finish: (read: Uint8Array | Error) => void = () => {};
    const held: SnapshotExport = {
      source: null,
      read: (_offset, _bytesMax, done) => void (finish = done),
      end() {
        throw new Error("thrown on purpose");
      },
    };
    const exports = { begin: () => held };
    const commands = new SnapshotCommands({
      snapshots: { exports },
      submit: (request: Request) => request.settle(0),
    } as unknown as Node);
    const failures: unknown[] = [];
    const client = new SnapshotClient(cluster, commands);
    client.connection.fail = (error) => void failures.push(error);
    client.sent("BEGIN");
    client.sent("READ", "1", "0", "10");
    finish(new Error("the disk failed"));
    assertEquals(failures.map(String), ["Error: thrown on purpose"]);
  });
});
