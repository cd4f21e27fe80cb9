import { latin1Bytes } from "../../src/base/bytes.ts";
import { type Random, randomInteger, seededRandom } from "../../src/base/random.ts";
import { isRaftMessage } from "../../src/node/peers/peer_message.ts";
import { isPossible } from "../../src/raft/message_guard.ts";
import { type Reply, SimpleString } from "../../src/resp/reply.ts";
import { ask, LocalCluster, type Member, roleOf } from "../support/local_cluster.ts";
import { until } from "../support/until.ts";
import { chunksOf } from "./chunks.ts";
import { escaped, inputOf } from "./fuzz_case.ts";
import { mutate } from "./mutate.ts";
import { FRAME_WORDS, framed, messagePayloads, receive } from "./targets/frames.ts";
import { proxy } from "./targets/proxy.ts";
import { requests } from "./targets/requests.ts";
import { sessions } from "./targets/sessions.ts";
import { HELLO, identityOf, raftPortOf, UnfinishedPeers } from "./unfinished_peers.ts";

/** A node's limit for an entry that arrives in parts. */
const ENTRY_BYTES_MAX = 512 * 1024 * 1024;
const RSS_MIB_MAX = 600;
/** Unfinished peers that a node may keep: 64 without a hello, 64 unknown ones, and a few more. */
const UNFINISHED_PEERS_MAX = 140;
/** How long a process may keep other clients waiting while it receives nonsense. */
const SERVED_MS_MAX = 20_000;
/** Unfinished requests, each sent on a connection that stays open. */
const UNFINISHED = [
  "*1\r\n$16777216\r\nhalf of it",
  "*131072\r\n$0\r\n\r\n",
  "*2\r\n$3\r\nGET\r\n$100",
  "SET key ",
];

export interface LiveFuzzOptions {
  readonly seed: number;
  readonly seconds: number;
  /** @default 3 */
  readonly nodes?: number;
  /** @default 1 */
  readonly proxies?: number;
}

export interface LiveFuzzResult {
  readonly connections: number;
  readonly rssMibMax: number;
}

/**
 * Sends nonsense to the ports of real processes. They have to survive, serve others meanwhile and
 * stay within a memory limit, and refused input must change neither terms nor data.
 *
 * @throws if one of them does not; the message has the seed and the last inputs
 */
export async function fuzzCluster(options: LiveFuzzOptions): Promise<LiveFuzzResult> {
  const { nodes = 3, proxies = 1 } = options;
  // Elections because of a busy machine must not be taken for the effect of an input.
  const nodeFlags = ["--election-ms", "3000", "--heartbeat-ms", "200"];
  const cluster = await LocalCluster.start({ nodes, proxies, nodeFlags });
  const fuzzed = new FuzzedCluster(cluster, options.seed);
  try {
    return await fuzzed.run(Date.now() + 1000 * options.seconds);
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    throw new Error(
      `seed ${options.seed}: ${what}\nsent last: ${fuzzed.sent}\n${lastLines(cluster.said())}`,
    );
  } finally {
    await cluster.stop();
  }
}

class FuzzedCluster {
  readonly #cluster: LocalCluster;
  readonly #random: Random;
  readonly #seed: number;
  readonly #held: Deno.Conn[] = [];
  readonly #unfinishedPeers: UnfinishedPeers;
  readonly #lastSent: string[] = [];
  #connections = 0;
  #rssMibMax = 0;

  constructor(cluster: LocalCluster, seed: number) {
    this.#cluster = cluster;
    this.#unfinishedPeers = new UnfinishedPeers(cluster.nodes);
    this.#seed = seed;
    this.#random = seededRandom(seed);
  }

  /** The last few inputs, for the message of a failure. */
  get sent(): string {
    return this.#lastSent.map((input) => escaped(input.slice(0, 2_000))).join("\n");
  }

  async run(endMs: number): Promise<LiveFuzzResult> {
    try {
      return await this.#run(endMs);
    } finally {
      this.#unfinishedPeers.stop();
    }
  }

  async #run(endMs: number): Promise<LiveFuzzResult> {
    const { nodes } = this.#cluster;
    const before = await Promise.all(nodes.map(roleOf));
    while (Date.now() < endMs) {
      await Promise.all(Array.from({ length: 8 }, () => this.#attack()));
      await this.#unfinishedPeers.addRound();
      await this.#assertServing();
    }
    await until("the nodes keep a bounded number of unfinished peers", () => {
      return this.#unfinishedPeers.openCount <= nodes.length * UNFINISHED_PEERS_MAX;
    });
    for (const connection of this.#held) connection.close();
    await this.#assertServing();
    const after = await Promise.all(nodes.map(roleOf));
    for (const [at, report] of after.entries()) {
      if (report?.term === before[at]?.term) continue;
      throw new Error(`the term went from ${before[at]?.term} to ${report?.term}`);
    }
    await this.#assertEqualData();
    return { connections: this.#connections, rssMibMax: this.#rssMibMax };
  }

  async #attack(): Promise<void> {
    const { nodes, proxies } = this.#cluster;
    const isRaft = this.#random() < 0.5;
    const members = isRaft ? nodes : [...nodes, ...proxies];
    const member = members[randomInteger(this.#random, members.length)];
    if (member === undefined) return;
    const input = isRaft ? this.#refusedFrames(member) : this.#requests();
    if (this.#lastSent.push(input) > 8) this.#lastSent.shift();
    this.#connections++;
    const connection = await Deno.connect({ port: isRaft ? raftPortOf(member) : member.port });
    try {
      for (const chunk of chunksOf(input, this.#random, 30)) await connection.write(chunk);
    } catch {
      // The node refused it before it had all of it.
    }
    if (this.#held.length < 200 && this.#random() < 0.05) this.#held.push(connection);
    else await readAWhile(connection);
  }

  #requests(): string {
    const at = randomInteger(this.#random, UNFINISHED.length + 8);
    const target = [requests, sessions, proxy][at % 3] ?? requests;
    const unfinished = UNFINISHED[at];
    return unfinished ?? inputOf(target, this.#seed + 1000 * this.#connections);
  }

  /**
   * Messages that a node must refuse, or that no member could have sent, according to the decoder.
   */
  #refusedFrames(member: Member): string {
    const random = this.#random;
    for (;;) {
      const payloads = messagePayloads(random);
      const another = () => messagePayloads(random).join("");
      const at = randomInteger(random, payloads.length);
      payloads[at] = mutate(payloads[at] ?? "", { random, words: FRAME_WORDS, another });
      const frames = framed(payloads);
      const known = framed([JSON.stringify({ ...HELLO, from: "n3", to: "n1" })]) + frames;
      const { messages } = receive([latin1Bytes(known)], ENTRY_BYTES_MAX);
      if (messages.some((message) => !isRaftMessage(message) || isPossible(message))) continue;
      return random() < 0.9 ? framed([this.#hello(member)]) + frames : frames;
    }
  }

  /** A hello of another member of this cluster, or of a stranger. */
  #hello(member: Member): string {
    const { nodes } = this.#cluster;
    const other = nodes.find((node) => node !== member) ?? member;
    const cluster = this.#random() < 0.8 ? identityOf(member).clusterId : "another";
    return JSON.stringify({
      ...HELLO,
      cluster,
      from: other.name,
      to: member.name,
      port: other.port,
    });
  }

  async #assertServing(): Promise<void> {
    const { nodes, proxies } = this.#cluster;
    for (const member of [...nodes, ...proxies]) {
      if (!member.process.isRunning) throw new Error(`${member.name} has died`);
      const pong = await ask(member, ["PING"], SERVED_MS_MAX);
      if (!(pong instanceof SimpleString)) {
        throw new Error(`${member.name} answers ${String(pong)}`);
      }
      const rssMib = rssMibIn(await ask(member, ["INFO", "memory"], SERVED_MS_MAX));
      this.#rssMibMax = Math.max(this.#rssMibMax, rssMib);
      if (!(rssMib < RSS_MIB_MAX)) throw new Error(`${member.name} uses ${rssMib} MiB`);
    }
    const door = proxies[0] ?? nodes[0];
    const reply = door && await ask(door, ["SET", "fuzz:served", "yes"], SERVED_MS_MAX);
    if (!(reply instanceof SimpleString)) throw new Error(`a write is answered ${String(reply)}`);
  }

  /** Checks that all nodes hold the same keys. Tests of the state machine compare values. */
  async #assertEqualData(): Promise<void> {
    const { nodes } = this.#cluster;
    await until("all nodes hold the same keys", async () => {
      const all = await Promise.all(nodes.map((node) => ask(node, ["KEYS", "*"], SERVED_MS_MAX)));
      const texts = all.map((keys) =>
        JSON.stringify(Array.isArray(keys) ? [...keys].sort() : keys)
      );
      return new Set(texts).size === 1;
    });
  }
}

/** The last lines of each process. */
function lastLines(said: string): string {
  return said.split(/(?=--- )/).map((one) => one.split("\n").slice(-8).join("\n")).join("\n");
}

function rssMibIn(info: Reply | null): number {
  const text = typeof info === "string" ? info : String((info as { text?: string } | null)?.text);
  return Math.round(Number(/used_memory_rss:(\d+)/.exec(text)?.[1]) / 2 ** 20);
}

/** Reads for a moment, and closes the connection. */
async function readAWhile(connection: Deno.Conn): Promise<void> {
  const timer = setTimeout(() => connection.close(), 20);
  const buffer = new Uint8Array(64 * 1024);
  try {
    while (await connection.read(buffer) !== null);
    clearTimeout(timer);
    connection.close();
  } catch {
    clearTimeout(timer); // closed by us or reset by the other side
  }
}
