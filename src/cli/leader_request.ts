import { formatAddress } from "../base/address.ts";
import { UserError } from "../base/errors.ts";
import type { Address } from "../platform/network.ts";
import { ErrorReply, type Reply } from "../resp/reply.ts";
import { readAddress } from "./flags.ts";
import { ConnectionLost, RespClient } from "./resp_client.ts";

const RETRY_MS = 200;
/** Time limit of one reply, in milliseconds: a change must be committed, or a transfer end. */
const ANSWER_MS_MAX = 15_000;

export interface LeaderRequestOptions {
  /** Nodes or proxies to ask first. */
  readonly addresses: readonly Address[];
  readonly args: readonly string[];
  /** How long to retry while nobody answers or leads; `Infinity`: for ever. */
  readonly patienceMs: number;
  /** Called with the reason for a retry, once per reason. */
  readonly onRetry?: (reason: string) => void;
}

/**
 * Sends a request to the leader. Any node or proxy says where that is. Retries while there is no
 * leader, so the request must be idempotent.
 *
 * @returns a reply that is no error
 * @throws {UserError} with the leader's refusal, or when nobody answers in time
 */
export async function requestOfLeader(options: LeaderRequestOptions): Promise<Reply> {
  const { addresses, args, patienceMs, onRetry = () => {} } = options;
  const deadlineMs = performance.now() + patienceMs;
  let told = "";
  for (;;) {
    const reasons: string[] = [];
    for (const address of addresses) {
      const { reply, reason } = await follow(address, args);
      if (reply !== undefined) return reply;
      reasons.push(`${formatAddress(address)}: ${reason}`);
    }
    const reason = reasons.join("; ");
    if (performance.now() >= deadlineMs) {
      throw new UserError(`Cannot reach the leader of the cluster: ${reason}`);
    }
    if (reason !== told) onRetry(reason);
    told = reason;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

type Answer = { readonly reply: Reply; readonly reason?: undefined } | {
  readonly reply?: undefined;
  readonly reason: string;
};

/** Asks one address, and once more at the leader that it names. */
async function follow(address: Address, args: readonly string[]): Promise<Answer> {
  const first = await ask(address, args);
  const moved = first.reason === undefined ? null : /^MOVED \S+ (\S+)$/.exec(first.reason);
  return moved === null ? first : await ask(readAddress(moved[1] ?? ""), args);
}

async function ask(address: Address, args: readonly string[]): Promise<Answer> {
  try {
    const client = await RespClient.connect(address);
    try {
      const reply = await client.request(args, ANSWER_MS_MAX);
      if (!(reply instanceof ErrorReply)) return { reply };
      if (/^(MOVED|CLUSTERDOWN|TRYAGAIN|UNKNOWN) /.test(reply.text)) return { reason: reply.text };
      throw new UserError(reply.text.replace(/^ERR /, ""));
    } finally {
      client.close();
    }
  } catch (error) {
    if (!(error instanceof ConnectionLost)) throw error;
    return { reason: error.message };
  }
}
