import { UserError } from "../base/errors.ts";
import type { Address } from "../node/network.ts";
import type { Reply } from "../resp/reply.ts";
import { addressList, parseAddress } from "./flags.ts";
import { ConnectionLost, fieldsOf, RespClient } from "./resp_client.ts";
import { subcommand } from "./subcommand.ts";
import { table } from "./table.ts";

export const statusSubcommand = subcommand({
  name: "status",
  summary: "one table: id, role, term, address, commit, applied, lag, alive",
  description:
    "Asks the members of a cluster for their state and shows it as a table. Any node's or\n" +
    "proxy's address will do; it exits with 1 when no leader serves. Failures on purpose\n" +
    "(`regent fault`) are shown too, where there are any.",
  flags: {
    nodes: addressList({
      help: "Nodes or proxies to ask; each tells of the others",
      fallback: [{ host: "127.0.0.1", port: 7000 }],
    }),
  },
  examples: ["regent status", "regent status --nodes 127.0.0.1:7001"],
  async run({ nodes }) {
    const members = await findMembers(nodes);
    const states = await Promise.all(members.map(askState));
    console.log(statusTable(states));
    return states.some(({ role }) => role === "leader") ? 0 : 1;
  },
});

/** What one member said of itself; the numbers are `null` when it did not answer. */
export interface MemberState {
  readonly id: string;
  readonly address: Address;
  readonly role: string;
  readonly term: number;
  readonly commitIndex: number | null;
  readonly appliedIndex: number | null;
  /** Its failures on purpose that are on. */
  readonly faults: readonly string[];
}

interface Member {
  readonly id: string;
  readonly address: Address;
}

/** Asks one address after the other who the members are. @throws {UserError} when none answers */
async function findMembers(addresses: readonly Address[]): Promise<Member[]> {
  const reasons: string[] = [];
  for (const address of addresses) {
    try {
      const client = await RespClient.connect(address);
      try {
        const members = parseMembers(await client.request(["CLUSTER", "MEMBERS"]));
        if (members.length > 0) return members;
        reasons.push(`${address.host}:${address.port}: knows no members`);
      } finally {
        client.close();
      }
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      reasons.push(`${address.host}:${address.port}: ${error.message}`);
    }
  }
  throw new UserError(`Cannot reach the cluster: ${reasons.join("; ")}`);
}

/** `CLUSTER MEMBERS`: pairs of id and `host:port`. */
function parseMembers(reply: Reply): Member[] {
  return [...fieldsOf(reply)]
    .filter(([, address]) => address !== "")
    .map(([id, address]) => ({ id, address: parseAddress(String(address)) }));
}

/** Asks a member for its state; one that does not answer is `dead`. */
export async function askState({ id, address }: Member): Promise<MemberState> {
  let faults: readonly string[] = [];
  const dead = () => ({ id, address, role: "-", term: 0, commitIndex: null, appliedIndex: null });
  try {
    const client = await RespClient.connect(address);
    try {
      faults = await askFaults(client);
      if (faults.some(isPause)) return { ...dead(), faults }; // it answers nothing else
      const fields = fieldsOf(await client.request(["CLUSTER", "ROLE"]));
      return {
        id,
        address,
        role: String(fields.get("role")),
        term: Number(fields.get("term")),
        commitIndex: Number(fields.get("commit-index")),
        appliedIndex: Number(fields.get("applied-index")),
        faults,
      };
    } finally {
      client.close();
    }
  } catch (error) {
    if (!(error instanceof ConnectionLost)) throw error;
    return { ...dead(), faults };
  }
}

/** None where they are not allowed, or not known. */
async function askFaults(client: RespClient): Promise<string[]> {
  const reply = await client.request(["FAULT", "LIST"]);
  return Array.isArray(reply) ? reply.map(String) : [];
}

function isPause(fault: string): boolean {
  return /^pause\b/.test(fault);
}

/** Lag is how many committed entries a member has not applied yet. */
export function statusTable(states: readonly MemberState[]): string {
  const newest = Math.max(0, ...states.map(({ commitIndex }) => commitIndex ?? 0));
  const hasFaults = states.some(({ faults }) => faults.length > 0);
  const rows = states.map((state) => {
    const isAlive = state.commitIndex !== null;
    return [
      state.id,
      state.role,
      isAlive ? String(state.term) : "-",
      `${state.address.host}:${state.address.port}`,
      String(state.commitIndex ?? "-"),
      String(state.appliedIndex ?? "-"),
      isAlive ? String(newest - (state.appliedIndex ?? 0)) : "-",
      isAlive ? "yes" : "no",
      ...(hasFaults ? [state.faults.join("; ") || "-"] : []),
    ];
  });
  const heading = ["id", "role", "term", "address", "commit", "applied", "lag", "alive"];
  return table([[...heading, ...(hasFaults ? ["faults"] : [])], ...rows]);
}
