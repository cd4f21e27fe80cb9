import { RawRespClient } from "./raw_resp_client.ts";

/** Maximum number of requests in a packet. */
const PACKET_MAX = 40;

/**
 * A client whose requests show by their replies whether each was executed exactly once and in
 * order: its own counter must grow by one each time, and its own list by what was appended. A
 * counter that it shares with other clients must return growing values.
 */
export class CountingClient {
  isStopping = false;
  /** Number of correct replies. */
  answered = 0;
  /** Number of replies about the shared counter. */
  sharedCount = 0;
  readonly counterKey: string;
  readonly listKey: string;
  readonly sharedKey: string;
  /** The expected final value of the counter and length of the list. */
  count = 0;
  list = "";
  readonly violations: string[] = [];
  readonly #client: RawRespClient;
  readonly #isPipelining: boolean;
  #shared = 0;

  private constructor(client: RawRespClient, id: number, isPipelining: boolean, name: string) {
    this.#client = client;
    this.#isPipelining = isPipelining;
    this.counterKey = `${name}:counter:${id}`;
    this.listKey = `${name}:list:${id}`;
    this.sharedKey = `${name}:counter`;
  }

  static async connect(
    port: number,
    id: number,
    isPipelining: boolean,
    name = "counting",
  ): Promise<CountingClient> {
    return new CountingClient(await RawRespClient.connect(port), id, isPipelining, name);
  }

  /** Runs until it is stopped, or until a reply is wrong. */
  async run(): Promise<void> {
    for (let packet = 1; !this.isStopping && this.violations.length === 0; packet++) {
      await this.#sendPacket(this.#isPipelining ? 1 + packet % PACKET_MAX : 1);
    }
  }

  close(): void {
    this.#client.close();
  }

  async #sendPacket(size: number): Promise<void> {
    const requests: string[][] = [];
    const checks: ((reply: string) => boolean)[] = [];
    for (let at = 0; at < size; at++) {
      const { args, check } = this.#request((this.answered + at) % 4);
      requests.push(args);
      checks.push(check);
    }
    const replies = await this.#client.send(...requests);
    replies.forEach((reply, at) => {
      if (checks[at]?.(reply)) this.answered++;
      else this.violations.push(`${requests[at]?.join(" ")} got ${reply.trimEnd()}`);
    });
  }

  #request(kind: number): { args: string[]; check: (reply: string) => boolean } {
    if (kind === 0) {
      const expected = `:${++this.count}\r\n`;
      return { args: ["INCR", this.counterKey], check: (reply) => reply === expected };
    }
    if (kind === 1) {
      const expected = `:${this.count}\r\n`;
      const args = ["GET", this.counterKey];
      return { args, check: (reply) => reply.endsWith(`\r\n${expected.slice(1)}`) };
    }
    if (kind === 2) {
      const item = `${this.list.length},`;
      this.list += item;
      const expected = `:${this.list.length}\r\n`;
      return { args: ["APPEND", this.listKey, item], check: (reply) => reply === expected };
    }
    return { args: ["INCR", this.sharedKey], check: (reply) => this.#sharedGrew(reply) };
  }

  #sharedGrew(reply: string): boolean {
    const value = Number(/^:(\d+)\r\n$/.exec(reply)?.[1]);
    const grew = value > this.#shared;
    this.#shared = value;
    this.sharedCount++;
    return grew;
  }
}
