import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  content,
  FILES,
  get,
  holdersOf,
  KIB,
  put,
  untilHealthy,
  untilPlaced,
} from "../../support/files/files_cluster.ts";
import { ask, type LocalCluster, type Member, roleOf } from "../../support/local_cluster.ts";
import { replyText } from "../../support/reply_text.ts";
import { until } from "../../support/until.ts";
import { withCluster } from "../../support/with_cluster.ts";

/** Uploads through the proxy, which has descriptors enough. */
const UPLOADS = 120;
/**
 * And through each node. Connections that come at once take descriptors for a moment, also those that
 * are refused.
 */
const UPLOADS_OF_NODE = 60;
const SIZE = 600 * KIB;

/** An upload that stands still in the middle until it is told to go on. */
class SlowUpload {
  readonly #connection: Promise<Deno.TcpConn | null>;
  readonly #answer: Promise<string>;

  constructor({ httpPort = 0 }: Member, name: string) {
    this.#connection = this.#begin(httpPort, name);
    this.#answer = this.#read();
  }

  async #begin(port: number, name: string): Promise<Deno.TcpConn | null> {
    let connection: Deno.TcpConn | null = null;
    try {
      connection = await Deno.connect({ hostname: "127.0.0.1", port });
      const head = `PUT /files/${name} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n` +
        `Content-Length: ${SIZE}\r\n\r\n`;
      await writeAll(connection, new TextEncoder().encode(head));
      await writeAll(connection, content(SIZE / 2));
      return connection;
    } catch (error) {
      connection?.close();
      if (isBroken(error)) return null;
      throw error;
    }
  }

  async #read(): Promise<string> {
    const connection = await this.#connection;
    if (connection === null) return "";
    try {
      return await new Response(connection.readable).text();
    } catch (error) {
      if (isBroken(error)) return "";
      throw error;
    }
  }

  /** Sends the rest. @returns the answer; "" if the connection was closed without one */
  async finish(): Promise<string> {
    const connection = await this.#connection;
    if (connection !== null) await writeAll(connection, content(SIZE / 2)).catch(() => {});
    return await this.#answer;
  }
}

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

function isBroken(error: unknown): boolean {
  const { BrokenPipe, ConnectionRefused, ConnectionReset, ConnectionAborted } = Deno.errors;
  return [BrokenPipe, ConnectionRefused, ConnectionReset, ConnectionAborted].some((kind) =>
    error instanceof kind
  );
}

/** Number of descriptors that a process has open. */
function descriptorsOf({ process }: Member): number {
  return [...Deno.readDirSync(`/proc/${process.processId}/fd`)].length;
}

async function serves(cluster: LocalCluster, node: Member): Promise<boolean> {
  const key = `of ${node.name}`;
  const written = replyText(await ask(cluster.proxy, ["SET", key, "1"]));
  return written === "OK" && await ask(node, ["PING"]) !== null;
}

for (const limit of [256, 1024]) {
  Deno.test(`nodes with ${limit} file descriptors refuse uploads, and serve everything else`, async () => {
    const nodesWithin = ["bash", "-c", `ulimit -n ${limit}; exec "$@"`, "bash"];
    await withCluster({ ...FILES, nodesWithin }, async (cluster) => {
      await untilPlaced(cluster, 3);
      const leader = await cluster.leader();
      const term = (await roleOf(leader))?.term;
      const members = [...cluster.nodes, cluster.proxy];
      const uploads = members.flatMap((member) =>
        Array.from(
          { length: member === cluster.proxy ? UPLOADS : UPLOADS_OF_NODE },
          (_, at) => new SlowUpload(member, `${member.name}-${at}`),
        )
      );
      let most = 0;
      for (let round = 0; round < 30; round++) {
        for (const node of cluster.nodes) {
          assert(await serves(cluster, node), `${node.name} does not serve`);
          most = Math.max(most, descriptorsOf(node));
        }
      }
      const answers = await Promise.all(uploads.map((upload) => upload.finish()));
      const said = cluster.nodes.map(({ process }) => process.said).join("");
      assertEquals(
        /out of file descriptors|EMFILE|Too many open files|os error 24/.test(said),
        false,
      );
      assert(most < limit - 16, `${most} descriptors were open`);
      const statuses = new Map<string, number>();
      for (const answer of answers) {
        const status = answer.split(" ")[1] ?? "closed";
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status === "503") assertMatch(answer, /"detail":"[A-Z][^"]+\."/);
      }
      const kinds = [...statuses.keys()].sort().join();
      assert(["201,503", "201,503,closed"].includes(kinds), JSON.stringify([...statuses]));
      assertEquals((await roleOf(leader))?.term, term, "there was an election");

      const bytes = content(SIZE);
      for (const member of members) {
        await until(`${member.name} stores again`, async () => {
          return (await put(member, `to ${member.name}`, bytes)).status < 300;
        });
        assertEquals(await get(member, `to ${member.name}`), bytes);
        assert((await holdersOf(member, `to ${member.name}`)).length > 1);
      }
      await untilHealthy(cluster, members.map(({ name }) => `to ${name}`));
    });
  });
}
