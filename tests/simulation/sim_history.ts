import { ErrorReply, type Reply, SimpleString } from "../../src/resp/reply.ts";
import { decodeReply } from "../../src/resp/reply_scanner.ts";
import type { Operation, PlainReply } from "../linearizability/operation.ts";

/** A request without a reply yet. */
export interface Call {
  readonly client: string;
  readonly key: string;
  /** The arguments without the key. */
  readonly args: readonly string[];
  readonly invokedMs: number;
  readonly position: number;
  /** Deletes the key at some unknown later time. */
  readonly expires: boolean;
}

export type Ending = "ok" | "refused" | "unknown";

const REFUSAL = /^-(MOVED|CLUSTERDOWN|TRYAGAIN) /;
/** The reply of a proxy after two nodes were lost during a read: it tries no third one. */
const READ_LOST = /^-ERR \d+ nodes were lost while they worked on this read/;
const READS = new Set(["GET", "EXISTS", "STRLEN"]);

/**
 * All requests and replies of clients. Keys that many clients share are judged by real time. Keys
 * that belong to one connection are judged by the order of sending, which the answers must follow.
 */
export class SimHistory {
  /** Operations on keys that clients share. */
  readonly operations: Operation[] = [];
  /**
   * Operations on keys that belong to one connection, each with its place in the order of sending.
   */
  readonly #own = new Map<string, { readonly position: number; readonly operation: Operation }[]>();
  /** Keys of connections to a proxy. */
  readonly #stamped = new Set<string>();
  readonly counts = { ok: 0, refused: 0, unknown: 0 };
  #position = 0;

  call(client: string, key: string, args: readonly string[], invokedMs: number): Call {
    const expires = args.includes("PX");
    return { client, key, args, invokedMs, position: ++this.#position, expires };
  }

  /** @returns the outcome, or what is wrong with the answer */
  answered(call: Call, text: string, completedMs: number): Ending | { readonly wrong: string } {
    const isLostRead = READ_LOST.test(text) && READS.has(call.args[0] ?? "");
    if (REFUSAL.test(text) || isLostRead) {
      this.counts.refused++;
      return "refused";
    }
    if (text.startsWith("-UNKNOWN ")) {
      this.lost(call);
      return "unknown";
    }
    const reply = plainReply(decodeReply(text));
    const isError = text.startsWith("-") && !text.startsWith("-ERR value is not an integer");
    if (reply === undefined || isError) {
      return { wrong: `${call.args.join(" ")} is answered ${text}` };
    }
    this.counts.ok++;
    this.#add(call, { kind: "ok", reply }, completedMs);
    return "ok";
  }

  /** The outcome is unknown. */
  lost(call: Call): void {
    this.counts.unknown++;
    if (!READS.has(call.args[0] ?? "")) this.#add(call, { kind: "unknown" }, null);
  }

  /** All keys with a history. */
  get keys(): string[] {
    return [...new Set(this.operations.map(({ key }) => key)), ...this.#own.keys()];
  }

  /** For each key that belongs to one connection, its operations in the order of sending. */
  *ownHistories(): Iterable<readonly Operation[]> {
    for (const own of this.#own.values()) {
      own.sort((left, right) => left.position - right.position);
      yield own.map(({ operation }) => operation);
    }
  }

  /** As `ownHistories`, for connections through proxies, without the final reads of others. */
  *stampedHistories(): Iterable<readonly Operation[]> {
    for (const own of this.ownHistories()) {
      const owner = own[0];
      if (owner === undefined || !this.#stamped.has(owner.key)) continue;
      yield own.filter(({ client }) => client === owner.client);
    }
  }

  /** Notes that all writes to this key go through a proxy. */
  noteStamped(key: string): void {
    this.#stamped.add(key);
  }

  #add(call: Call, outcome: Operation["outcome"], completedMs: number | null): void {
    const { client, key } = call;
    const { invokedMs } = call;
    const args = call.expires ? call.args.slice(0, -2) : call.args;
    const operation = { client, key, args, invokedMs, completedMs, outcome };
    const own = this.#own.get(key);
    if (own !== undefined) own.push({ position: call.position, operation });
    else if (isOwnKey(key)) this.#own.set(key, [{ position: call.position, operation }]);
    else this.operations.push(operation);
    if (!call.expires) return;
    // A deadline is like a deletion that nobody sent, at any time.
    this.operations.push({
      client: "time",
      key,
      args: ["DEL"],
      invokedMs,
      completedMs: null,
      outcome: { kind: "unknown" },
    });
  }
}

function isOwnKey(key: string): boolean {
  return key.startsWith("own:");
}

function plainReply(reply: Reply): PlainReply | undefined {
  if (typeof reply === "string" || typeof reply === "number" || reply === null) return reply;
  if (reply instanceof SimpleString) return reply.text;
  return reply instanceof ErrorReply ? `-${reply.text}` : undefined;
}
