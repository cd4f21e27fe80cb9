import { assert } from "@std/assert";
import { ask, type LocalCluster, type Member } from "../../support/local_cluster.ts";
import { withoutElection } from "../../support/without_election.ts";

const ELECTION_MS = 200;
const CLIENTS = 4;
const ATTACK_MS = 10_000;
const IDLE_MS = 3_000;
/** Chunks of one byte, as many as fit into one write. */
const CHUNKS = new TextEncoder().encode("1\r\nx\r\n".repeat(10_000));
const HEADER = new TextEncoder().encode(
  "PUT /keys/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
);

/** Sends bodies in chunks of one byte until it is told to stop, as fast as they are read. */
class Dripping {
  sentBytes = 0;
  #isStopping = false;
  readonly #running: Promise<unknown>;

  constructor(port: number) {
    this.#running = Promise.all(Array.from({ length: CLIENTS }, () => this.#run(port)));
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  async #run(port: number): Promise<void> {
    while (!this.#isStopping) {
      using connection = await Deno.connect({ hostname: "127.0.0.1", port });
      try {
        await writeAll(connection, HEADER);
        while (!this.#isStopping) {
          await writeAll(connection, CHUNKS);
          this.sentBytes += CHUNKS.length;
        }
      } catch {
        // Refused at the limit of a value's size: the next connection begins again.
      }
    }
  }
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** Writes one value after the other. @returns the times that each took, in ms, sorted */
async function setTimesMs(member: Member, forMs: number): Promise<number[]> {
  const times: number[] = [];
  for (const endMs = performance.now() + forMs; performance.now() < endMs;) {
    const startMs = performance.now();
    assert(await ask(member, ["SET", "k", "v"]) !== null);
    times.push(performance.now() - startMs);
  }
  return times.sort((a, b) => a - b);
}

function p99(times: readonly number[]): number {
  return times[Math.floor(times.length * 0.99)] ?? NaN;
}

async function attack(_cluster: LocalCluster, leader: Member): Promise<void> {
  const idle = await setTimesMs(leader, IDLE_MS);
  const dripping = new Dripping(leader.httpPort ?? 0);
  const busy = await setTimesMs(leader, ATTACK_MS);
  await dripping.stop();
  console.log(
    `SET at the leader, p99 in ms: ${p99(idle).toFixed(1)} idle, ${p99(busy).toFixed(1)} ` +
      `(${(p99(busy) / p99(idle)).toFixed(1)} times) with ${CLIENTS} dripping clients, which ` +
      `sent ${(dripping.sentBytes / 1e6).toFixed(0)} MB; worst ${busy.at(-1)?.toFixed(1)}`,
  );
  assert(dripping.sentBytes > 0);
  assert(busy.length > 0);
}

Deno.test("clients that send chunks of one byte at full speed depose no leader", async () => {
  await withoutElection({ http: true, electionMs: ELECTION_MS, proxies: 0 }, attack);
});
