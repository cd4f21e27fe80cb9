import { formatAddress } from "../base/address.ts";
import { UserError } from "../base/errors.ts";
import type { Address } from "../platform/network.ts";
import type { Reply } from "../resp/reply.ts";
import { connectingSubcommand } from "./connecting.ts";
import { addressList, readAddress } from "./flags.ts";
import { logIn, logInFlags } from "./log_in.ts";
import { ConnectionLost, fieldsOf, RespClient } from "./resp_client.ts";
import { table } from "./table.ts";

export const statusSubcommand = connectingSubcommand({
  name: "status",
  summary: "print the role, the log and the clock of each member",
  description:
    "Asks the members of a cluster for their state and prints it as a table. The address of any " +
    "node or proxy is enough. The exit code is 1 unless a leader answers and serves. `lag` is " +
    "the number of committed entries that a member has not applied. `clock` is how far its clock " +
    "is ahead of (+) or behind (-) the median of the members' clocks. `protocol` and `machine` " +
    "are the versions of the protocol between nodes and of the state machine. `faults` appears " +
    "while there are injected faults (`regent fault`).",
  flags: {
    nodes: addressList({
      help: "Nodes or proxies to ask; one is enough, since each knows the others",
      defaultValue: [{ host: "127.0.0.1", port: 7000 }],
    }),
    ...logInFlags,
  },
  examples: ["regent status", "regent status --nodes 127.0.0.1:7001"],
  async run({ nodes, ...who }) {
    await logIn(who);
    const members = await findMembers(nodes);
    const states = await Promise.all(members.map(askState));
    console.log(statusTable(states));
    return isServed(states) ? 0 : 1;
  },
});

/**
 * The state of all members, as a value for JSON.
 *
 * @param addresses nodes or proxies to ask for the members
 * @throws {UserError} when none answers
 */
export async function clusterStatus(addresses: readonly Address[]): Promise<object> {
  const states = await Promise.all((await findMembers(addresses)).map(askState));
  const newest = newestCommit(states);
  const members = states.map((state) => ({
    id: state.id,
    address: formatAddress(state.address),
    role: state.role,
    isAlive: state.commitIndex !== null,
    isServing: state.commitIndex !== null && state.isServing,
    term: state.term,
    commitIndex: state.commitIndex,
    appliedIndex: state.appliedIndex,
    lag: state.appliedIndex === null ? null : newest - state.appliedIndex,
    clockOffsetMs: state.clockOffsetMs,
    protocolVersion: state.versions?.protocol ?? null,
    machineVersion: state.versions?.machine ?? null,
    machineVersionMax: state.versions?.machineMax ?? null,
    faults: state.faults,
  }));
  return { isServing: isServed(states), members };
}

/**
 * Where the members serve clients, by their ids.
 *
 * @throws {UserError} when none of the addresses answers
 */
export async function memberAddresses(
  addresses: readonly Address[],
): Promise<ReadonlyMap<string, Address>> {
  return new Map((await findMembers(addresses)).map(({ id, address }) => [id, address]));
}

/** Whether the cluster has a leader that serves. */
export function isServed(states: readonly MemberState[]): boolean {
  return states.some(({ role, isServing }) => role === "leader" && isServing);
}

/** A member's report on itself. */
export interface MemberState {
  readonly id: string;
  readonly address: Address;
  readonly role: string;
  /** Whether it serves; true if its build does not report that. */
  readonly isServing: boolean;
  readonly term: number;
  /** `null` if the member did not answer. */
  readonly commitIndex: number | null;
  /** `null` if the member did not answer. */
  readonly appliedIndex: number | null;
  /** Offset of its clock from the median of the members' clocks; `null` when unknown. */
  readonly clockOffsetMs: number | null;
  /** Versions of the peer protocol, of the state machine in the log, and of the build. */
  readonly versions: MemberVersions | null;
  /** Its active injected faults. */
  readonly faults: readonly string[];
}

interface MemberVersions {
  readonly protocol: number;
  readonly machine: number;
  readonly machineMax: number;
}

interface Member {
  readonly id: string;
  readonly address: Address;
}

/**
 * Asks one address after the other for the members.
 *
 * @throws {UserError} when none answers
 */
async function findMembers(addresses: readonly Address[]): Promise<Member[]> {
  const reasons: string[] = [];
  for (const address of addresses) {
    try {
      const client = await RespClient.connect(address);
      try {
        const members = parseMembers(await client.request(["CLUSTER", "MEMBERS"]));
        if (members.length > 0) return members;
        reasons.push(`${formatAddress(address)}: knows no members`);
      } finally {
        client.close();
      }
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      reasons.push(`${formatAddress(address)}: ${error.message}`);
    }
  }
  throw new UserError(`Cannot reach the cluster: ${reasons.join("; ")}`);
}

/** Parses `CLUSTER MEMBERS`: pairs of id and `host:port`. */
function parseMembers(reply: Reply): Member[] {
  return [...fieldsOf(reply)]
    .filter(([, address]) => address !== "")
    .map(([id, address]) => ({ id, address: readAddress(String(address)) }));
}

/** Asks a member for its state. Without an answer, the role is `-` and the indexes are `null`. */
export async function askState({ id, address }: Member): Promise<MemberState> {
  let faults: readonly string[] = [];
  const unknown = { commitIndex: null, appliedIndex: null, clockOffsetMs: null, versions: null };
  const dead = () => ({ id, address, role: "-", isServing: false, term: 0, ...unknown });
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
        isServing: fields.get("serving") !== 0,
        term: Number(fields.get("term")),
        commitIndex: Number(fields.get("commit-index")),
        appliedIndex: Number(fields.get("applied-index")),
        clockOffsetMs: numberOrNull(fields.get("clock-offset-ms")),
        versions: {
          protocol: Number(fields.get("protocol-version")),
          machine: Number(fields.get("machine-version")),
          machineMax: Number(fields.get("machine-version-max")),
        },
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

/** The active faults; empty if faults are not allowed, or the node does not know `FAULT`. */
async function askFaults(client: RespClient): Promise<string[]> {
  const reply = await client.request(["FAULT", "LIST"]);
  return Array.isArray(reply) ? reply.map(String) : [];
}

function isPause(fault: string): boolean {
  return /^pause\b/.test(fault);
}

function numberOrNull(reply: Reply | undefined): number | null {
  return typeof reply === "number" ? reply : null;
}

const SECOND_MS = 1_000;
const HOUR_MS = 3_600 * SECOND_MS;
const DAY_MS = 24 * HOUR_MS;

/** Formats an offset in a suitable unit. */
function clockText(offsetMs: number | null): string {
  if (offsetMs === null) return "-";
  const sign = offsetMs < 0 ? "-" : "+";
  const ms = Math.abs(offsetMs);
  if (ms < 10 * SECOND_MS) return `${sign}${ms} ms`;
  if (ms < HOUR_MS) return `${sign}${Math.round(ms / SECOND_MS)} s`;
  if (ms < 2 * DAY_MS) return `${sign}${Math.round(ms / HOUR_MS)} h`;
  return `${sign}${Math.round(ms / DAY_MS)} days`;
}

/** The largest commit index that a member reports. */
function newestCommit(states: readonly MemberState[]): number {
  return Math.max(0, ...states.map(({ commitIndex }) => commitIndex ?? 0));
}

/** The table of `regent status`. Lag is the number of committed entries not applied yet. */
export function statusTable(states: readonly MemberState[]): string {
  const newest = newestCommit(states);
  const hasFaults = states.some(({ faults }) => faults.length > 0);
  const rows = states.map((state) => {
    const isAlive = state.commitIndex !== null;
    return [
      state.id,
      state.role === "leader" && !state.isServing ? "leader, not serving" : state.role,
      isAlive ? String(state.term) : "-",
      formatAddress(state.address),
      String(state.commitIndex ?? "-"),
      String(state.appliedIndex ?? "-"),
      isAlive ? String(newest - (state.appliedIndex ?? 0)) : "-",
      isAlive ? "yes" : "no",
      clockText(state.clockOffsetMs),
      String(state.versions?.protocol ?? "-"),
      machineText(state.versions),
      ...(hasFaults ? [state.faults.join("; ") || "-"] : []),
    ];
  });
  const heading = [
    ...["id", "role", "term", "address", "commit", "applied", "lag", "alive"],
    ...["clock", "protocol", "machine"],
  ];
  return table([[...heading, ...(hasFaults ? ["faults"] : [])], ...rows]);
}

/** `1`, or `1 of 2` when the build knows a newer version than the log. */
function machineText(versions: MemberVersions | null): string {
  if (versions === null) return "-";
  const { machine, machineMax } = versions;
  return machine === machineMax ? String(machine) : `${machine} of ${machineMax}`;
}
