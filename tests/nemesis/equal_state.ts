import { messageOf } from "../../src/base/errors.ts";
import { RespClient } from "../../src/cli/resp_client.ts";
import { ErrorReply, type Reply } from "../../src/resp/reply.ts";
import type { Member } from "../support/local_cluster.ts";
import { replyText } from "../support/reply_text.ts";
import { until } from "../support/until.ts";

const READS_AT_ONCE = 200;
/** A busy machine may take long for some MiB; an answer that takes longer will not come. */
const ANSWER_MS_MAX = 30_000;
const READ_MS_MAX = 90_000;

/** The content of one node. */
export interface NodeState {
  readonly name: string;
  /** The value of each key that was read; `null` if it does not exist. */
  readonly values: ReadonlyMap<string, string | null>;
  /** The total number of keys. */
  readonly size: number;
}

/** Reads these keys, and the number of keys, at one node. */
export async function readState(node: Member, keys: readonly string[]): Promise<NodeState> {
  let state: NodeState | undefined;
  let failure: unknown;
  await until(`${node.name} reports what it holds`, async () => {
    try {
      state = await readOnce(node, keys);
    } catch (error) {
      failure = error;
    }
    return state !== undefined;
  }, { timeoutMs: READ_MS_MAX, describe: () => String(failure) });
  return state as NodeState;
}

async function readOnce(node: Member, keys: readonly string[]): Promise<NodeState> {
  const { host = "127.0.0.1", port } = node;
  const client = await RespClient.connect({ host, port }, { timeoutMs: ANSWER_MS_MAX });
  const answer = async (...args: string[]) => {
    try {
      return checked(await client.request(args, ANSWER_MS_MAX));
    } catch (error) {
      throw new Error(`${args.join(" ")}: ${messageOf(error)}`, { cause: error });
    }
  };
  try {
    const values = new Map<string, string | null>();
    for (let at = 0; at < keys.length; at += READS_AT_ONCE) {
      const some = keys.slice(at, at + READS_AT_ONCE);
      const replies = await Promise.all(some.map((key) => answer("GET", key)));
      some.forEach((key, index) => values.set(key, replyText(replies[index] ?? null)));
    }
    const size = Number(await answer("DBSIZE"));
    return { name: node.name, values, size };
  } finally {
    client.close();
  }
}

function checked(reply: Reply): Reply {
  if (reply instanceof ErrorReply) throw new Error(reply.text);
  return reply;
}

/** The differences between nodes, as lines; empty if they hold the same. */
export function differences(states: readonly NodeState[]): string[] {
  const [first, ...others] = states;
  if (first === undefined) return [];
  const lines: string[] = [];
  const present = [...first.values.values()].filter((value) => value !== null).length;
  if (first.size !== present) {
    lines.push(`${first.name} holds ${first.size} keys, but ${present} can be read`);
  }
  for (const other of others) {
    if (other.size !== first.size) {
      lines.push(`${first.name} holds ${first.size} keys, ${other.name} ${other.size}`);
    }
    for (const [key, value] of first.values) {
      const theirs = other.values.get(key) ?? null;
      if (theirs === value) continue;
      lines.push(`${key} is ${value} at ${first.name} and ${theirs} at ${other.name}`);
    }
  }
  return lines;
}
