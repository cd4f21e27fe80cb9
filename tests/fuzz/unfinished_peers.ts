import { latin1Bytes } from "../../src/base/bytes.ts";
import { BUILD_VERSIONS } from "../../src/node/members/versions.ts";
import type { Member } from "../support/local_cluster.ts";
import { framed } from "./targets/frames.ts";

/**
 * Behaviour that a node must survive: it closes such a connection in time, or keeps a bounded
 * number.
 */
const MANNERS = ["silent", "half a hello", "trickling", "stranger", "member", "member's lane"];
/** Number of new connections to each node in a round. */
const PER_ROUND = 2 * MANNERS.length;
/** Interval of a trickling connection, which sends a byte each time. */
const TRICKLE_MS = 1_000;
const HALF_A_FRAME = "\0\x10\0\0" + '{"type":"append",'.padEnd(60_000);

export const HELLO = {
  ...BUILD_VERSIONS,
  ...{ cluster: "c1", from: "", to: "" },
  ...{ host: "127.0.0.1", port: 7001, raftHost: "127.0.0.1", raftPort: 17001, configuration: 0 },
  ...{ incarnation: "i", life: "l", founders: {}, isFounded: true },
};

export function raftPortOf({ args }: Member): number {
  return Number(args[args.indexOf("--raft-port") + 1]);
}

/** The cluster of a node, and the incarnation of its directory. */
export function identityOf({ dir }: Member): { clusterId: string; incarnation: string } {
  return JSON.parse(Deno.readTextFileSync(`${dir}/identity.json`));
}

/**
 * Peers that finish nothing: some never say who they are, or half of it, or a byte each second;
 * others say hello as a node that nobody knows or as a member, and then half a frame for ever.
 */
export class UnfinishedPeers {
  readonly #nodes: readonly Member[];
  readonly #open = new Set<Deno.Conn>();
  readonly #trickles = setInterval(() => this.#trickle(), TRICKLE_MS);
  readonly #trickling = new Map<Deno.Conn, Uint8Array>();
  #count = 0;

  constructor(nodes: readonly Member[]) {
    this.#nodes = nodes;
  }

  /** Number of connections that nodes have not closed. */
  get openCount(): number {
    return this.#open.size;
  }

  /** Opens some more connections to each node. */
  async addRound(): Promise<void> {
    for (const node of this.#nodes) {
      for (let number = 0; number < PER_ROUND; number++) await this.#add(node);
    }
  }

  stop(): void {
    clearInterval(this.#trickles);
    for (const connection of [...this.#open]) this.#close(connection);
  }

  async #add(node: Member): Promise<void> {
    const manner = MANNERS[this.#count++ % MANNERS.length] ?? "silent";
    const connection = await Deno.connect({ port: raftPortOf(node) });
    this.#open.add(connection);
    this.#untilClosed(connection);
    const hello = framed([this.#hello(node, manner)]);
    if (manner === "trickling") this.#trickling.set(connection, latin1Bytes(hello));
    else await this.#write(connection, latin1Bytes(textOf(manner, hello)));
  }

  #hello(node: Member, manner: string): string {
    const { clusterId: cluster } = identityOf(node);
    const base = { ...HELLO, cluster, to: node.name, life: `unfinished ${this.#count % 40}` };
    const other = this.#nodes.find((one) => one !== node);
    if (other === undefined || manner === "stranger") {
      return JSON.stringify({ ...base, from: `x${this.#count}`, raftPort: 1, configuration: 1e6 });
    }
    const { incarnation } = identityOf(other);
    const lane = manner === "member" ? {} : { lane: "bulk" };
    const addresses = { port: other.port, raftPort: raftPortOf(other) };
    return JSON.stringify({ ...base, ...addresses, ...lane, from: other.name, incarnation });
  }

  #trickle(): void {
    for (const [connection, left] of this.#trickling) {
      this.#trickling.set(connection, left.subarray(1));
      void this.#write(connection, left.subarray(0, 1));
    }
  }

  async #write(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
    } catch {
      this.#close(connection);
    }
  }

  async #untilClosed(connection: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(1024);
    try {
      while (await connection.read(buffer) !== null);
    } catch {
      // Reset.
    }
    this.#close(connection);
  }

  #close(connection: Deno.Conn): void {
    this.#trickling.delete(connection);
    if (this.#open.delete(connection)) connection.close();
  }
}

function textOf(manner: string, hello: string): string {
  if (manner === "silent") return "";
  return manner === "half a hello" ? hello.slice(0, hello.length / 2) : hello + HALF_A_FRAME;
}
