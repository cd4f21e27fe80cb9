import type { Operation, PlainReply } from "../linearizability/operation.ts";
import { ErrorReply, type Reply, SimpleString } from "../../src/resp/reply.ts";
import { decodeReply } from "../../src/resp/decode_reply.ts";

/** A request whose answer is awaited. */
export interface Call {
  readonly client: string;
  readonly key: string;
  /** Without the key. */
  readonly args: readonly string[];
  readonly invokedMs: number;
  readonly position: number;
  /** Deletes the key at some unknown later time. */
  readonly expires: boolean;
}

export type Ending = "ok" | "refused" | "unknown";

const REFUSAL = /^-(MOVED|CLUSTERDOWN|TRYAGAIN) /;
const READS = new Set(["GET", "EXISTS", "STRLEN"]);

/**
 * Everything that clients asked and were told. Keys that many clients share are judged by real time;
 * keys that belong to one connection by the order in which they were sent, which the connection's
 * answers must follow.
 */
export class SimHistory {
  readonly operations: Operation[] = [];
  readonly counts = { ok: 0, refused: 0, unknown: 0 };
  #position = 0;

  call(client: string, key: string, args: readonly string[], invokedMs: number): Call {
    const expires = args.includes("PX");
    return { client, key, args, invokedMs, position: ++this.#position, expires };
  }

  /** @returns how it ended, or what is wrong with the answer */
  answered(call: Call, text: string, completedMs: number): Ending | { readonly wrong: string } {
    if (REFUSAL.test(text)) {
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

  /** Nobody knows what became of it. */
  lost(call: Call): void {
    this.counts.unknown++;
    if (!READS.has(call.args[0] ?? "")) this.#add(call, { kind: "unknown" }, null);
  }

  #add(call: Call, outcome: Operation["outcome"], completedMs: number | null): void {
    const { client, key } = call;
    const isPrivate = isPrivateKey(key);
    // A connection's own keys: time is the order of sending.
    const invokedMs = isPrivate ? 2 * call.position : call.invokedMs;
    const endMs = isPrivate && completedMs !== null ? 2 * call.position + 1 : completedMs;
    const args = call.expires ? call.args.slice(0, -2) : call.args;
    this.operations.push({ client, key, args, invokedMs, completedMs: endMs, outcome });
    if (!call.expires) return;
    // What a deadline does is a deletion that nobody sent, at any time.
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

export function isPrivateKey(key: string): boolean {
  return key.startsWith("own:");
}

function plainReply(reply: Reply): PlainReply | undefined {
  if (typeof reply === "string" || typeof reply === "number" || reply === null) return reply;
  if (reply instanceof SimpleString) return reply.text;
  return reply instanceof ErrorReply ? `-${reply.text}` : undefined;
}
