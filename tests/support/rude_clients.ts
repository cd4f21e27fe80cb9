import { messageOf } from "../../src/base/errors.ts";
import { until } from "./until.ts";

const CLIENTS = 4;
const PACKET_REQUESTS = 30;
const BIG_VALUE_BYTES = 10_000;
/** A client's pause after each visit, since the cluster needs the processors. */
const PAUSE_MS = 5;
/** Long enough for slow machines. */
const PATIENCE_MS = 60_000;

/**
 * Clients that connect, send something and leave: after half a request, without reading replies, or
 * after the first of many replies. Those that read check that the replies are theirs.
 */
export class RudeClients {
  static readonly KEYS: readonly string[] = Array.from(
    { length: CLIENTS },
    (_, id) => `rude:${id}:`,
  );

  /** Number of connections opened and left. */
  visits = 0;
  /** Number of replies read. */
  replies = 0;
  readonly violations: string[] = [];
  readonly #port: number;
  #isStopping = false;
  #running: Promise<unknown> = Promise.resolve();

  private constructor(port: number) {
    this.#port = port;
  }

  static start(port: number): RudeClients {
    const clients = new RudeClients(port);
    clients.#running = Promise.all(RudeClients.KEYS.map((key) => clients.#run(key)));
    return clients;
  }

  async untilMore(visits: number): Promise<void> {
    const before = this.visits;
    await until(`${visits} more visits`, () => this.visits >= before + visits, {
      timeoutMs: PATIENCE_MS,
    });
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  async #run(key: string): Promise<void> {
    const manners = [leaveAtOnce, leaveHalfARequest, leaveWithoutReading, leaveAfterTheFirst];
    for (let visit = 0; !this.#isStopping; visit++) {
      try {
        const connection = await Deno.connect({ hostname: "127.0.0.1", port: this.#port });
        try {
          this.#check(key, await manners[visit % manners.length]?.(connection, key) ?? null);
        } finally {
          connection.close();
        }
      } catch (error) {
        this.violations.push(`${key} ${messageOf(error)}`);
        return;
      }
      this.visits++;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  /** @param reply the bytes that arrived first, if any */
  #check(key: string, reply: string | null): void {
    if (reply === null) return;
    this.replies++;
    if (!reply.includes(key) && !reply.startsWith("$-1") && !reply.startsWith("-")) {
      this.violations.push(`${key} read ${JSON.stringify(reply.slice(0, 100))}`);
    }
  }
}

type Manner = (connection: Deno.Conn, key: string) => Promise<string | null>;

const leaveAtOnce: Manner = () => Promise.resolve(null);

const leaveHalfARequest: Manner = async (connection, key) => {
  await send(connection, request("SET", key, key) + request("SET", key, key).slice(0, 17));
  return null;
};

const leaveWithoutReading: Manner = async (connection, key) => {
  await send(connection, request("SET", key, key.padEnd(BIG_VALUE_BYTES, "x")));
  await send(connection, request("GET", key).repeat(PACKET_REQUESTS));
  return null;
};

const leaveAfterTheFirst: Manner = async (connection, key) => {
  const pair = request("GET", key) + request("SET", key, key);
  await send(connection, pair.repeat(PACKET_REQUESTS));
  const buffer = new Uint8Array(1024);
  const length = await connection.read(buffer);
  return length === null ? null : new TextDecoder().decode(buffer.subarray(0, length));
};

function request(...args: readonly string[]): string {
  return `*${args.length}\r\n` + args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join("");
}

async function send(connection: Deno.Conn, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}
