import { ConnectionLost, RespClient } from "../../../src/cli/resp_client.ts";
import { ErrorReply, type Reply } from "../../../src/resp/reply.ts";
import {
  ask,
  LOOK_MS,
  type Member,
  type RoleReport,
  roleWithin,
} from "../../support/local_cluster.ts";
import { RegentProcess } from "../../support/regent_process.ts";
import { until } from "../../support/until.ts";
import type { Machines } from "./machines.ts";

const NODE_PORT = 7001;
const RAFT_PORT = 17001;
const PROXY_PORT = 7000;
const START_MS_MAX = 60_000;

export interface ClusterOnMachinesOptions {
  readonly machines: Machines;
  readonly nodes: readonly string[];
  readonly proxies: readonly string[];
  readonly dir: string;
  readonly nodeFlags: readonly string[];
  readonly proxyFlags: readonly string[];
}

/**
 * Real processes, each on a machine of its own. The address of each `Member` is the one at which it
 * can be observed, whatever is cut.
 */
export class ClusterOnMachines {
  readonly nodes: readonly Member[];
  readonly proxies: readonly Member[];
  readonly #machines: Machines;
  readonly #said = new Map<string, string>();

  /** Starts the processes. */
  constructor({ machines, dir, ...options }: ClusterOnMachinesOptions) {
    this.#machines = machines;
    const at = (port: number) => (name: string) => `${machines.machine(name).host}:${port}`;
    const peers = options.nodes.map((name) => `${name}=${at(RAFT_PORT)(name)}`).join(",");
    const addresses = options.nodes.map(at(NODE_PORT)).join(",");
    const node = (name: string) => {
      const host = ["--host", "0.0.0.0", "--advertise", machines.machine(name).host];
      const ports = ["--port", String(NODE_PORT), "--raft-port", String(RAFT_PORT)];
      const own = ["--id", name, "--dir", `${dir}/${name}`, "--peers", peers];
      return this.#member(name, NODE_PORT, `${dir}/${name}`, [
        ...["node", ...own, ...host, ...ports, ...options.nodeFlags],
      ]);
    };
    const proxy = (name: string) =>
      this.#member(name, PROXY_PORT, dir, [
        ...["proxy", "--host", "0.0.0.0", "--port", String(PROXY_PORT), "--nodes", addresses],
        ...options.proxyFlags,
      ]);
    this.nodes = options.nodes.map(node);
    this.proxies = options.proxies.map(proxy);
  }

  /** Waits until the processes serve. */
  async untilStarted(): Promise<void> {
    await this.untilLevel(START_MS_MAX);
    await this.untilServing(START_MS_MAX);
  }

  get everybody(): readonly Member[] {
    return [...this.nodes, ...this.proxies];
  }

  /** The address that clients have to use, the first of the machine. */
  addressOf({ name, port }: Member): { host: string; port: number } {
    return { host: this.#machines.machine(name).host, port };
  }

  /** Starts a process that has ended. */
  restart(member: Member): void {
    this.#said.set(member.name, `${this.saidBy(member)}--- started again\n`);
    const { within } = this.#machines.machine(member.name);
    member.process = new RegentProcess(member.args, undefined, within);
  }

  /** The leader of the highest term, by its own report. */
  async leader(): Promise<Member | null> {
    const reports = await this.#reports();
    const term = Math.max(...reports.map((report) => termLed(report)));
    return term < 0 ? null : this.nodes[reports.findIndex((one) => termLed(one) === term)] ?? null;
  }

  /** Waits until all nodes follow one leader and have applied all that it had when it was asked. */
  async untilLevel(timeoutMs: number): Promise<void> {
    let reports: readonly (RoleReport | null)[] = [];
    let goal = Infinity;
    await until("all nodes have caught up", async () => {
      reports = await this.#reports();
      const leaders = new Set(reports.map((report) => report?.leaderId ?? ""));
      const leader = reports.find((report) => report !== null && termLed(report) >= 0);
      if (leaders.size !== 1 || leaders.has("") || leader === undefined) return false;
      if (goal === Infinity) goal = leader?.commitIndex ?? Infinity;
      return reports.every((report) => report !== null && report.appliedIndex >= goal);
    }, { timeoutMs, describe: () => `${JSON.stringify(reports)} of ${goal}\n${this.#allSaid()}` });
  }

  async untilServing(timeoutMs: number): Promise<void> {
    for (const proxy of this.proxies) {
      await until(`${proxy.name} serves`, async () => {
        return typeof await ask(proxy, ["DEL", "a key that nobody uses"]) === "number";
      }, { timeoutMs, describe: () => proxy.process.said });
    }
  }

  /**
   * Writes large values, so that a node that lacks them needs a large snapshot. @returns the keys
   */
  async fill(keys: readonly string[], valueBytes: number): Promise<void> {
    const [proxy] = this.proxies;
    if (proxy === undefined) return;
    const { host = "", port } = proxy;
    const client = await RespClient.connect({ host, port });
    try {
      for (const key of keys) {
        const value = `${key}:`.padEnd(valueBytes, "0123456789abcdef");
        const reply: Reply = await client.request(["SET", key, value], 10_000);
        if (reply instanceof ErrorReply) throw new Error(reply.text);
      }
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error; // the proxy may be gone by now
    } finally {
      client.close();
    }
  }

  #allSaid(): string {
    return this.everybody.map((one) => `--- ${one.name}\n${this.saidBy(one)}`).join("\n");
  }

  /** All output of a member so far. */
  saidBy({ name, process }: Member): string {
    return (this.#said.get(name) ?? "") + process.said;
  }

  /** How often this text occurs in the output of all processes. */
  timesSaid(words: string): number {
    return this.everybody.reduce((sum, one) => sum + this.saidBy(one).split(words).length - 1, 0);
  }

  async stop(): Promise<void> {
    await Promise.all(this.everybody.map(async ({ process }) => {
      await process.signal("SIGKILL");
      await process.ended();
    }));
  }

  #member(name: string, port: number, dir: string, args: readonly string[]): Member {
    const { observedHost, within } = this.#machines.machine(name);
    const process = new RegentProcess(args, undefined, within);
    return { name, host: observedHost, port, args, dir, process };
  }

  #reports(): Promise<(RoleReport | null)[]> {
    return Promise.all(
      this.nodes.map((node) => node.process.isRunning ? roleWithin(node, LOOK_MS) : null),
    );
  }
}

function termLed(report: RoleReport | null): number {
  return report?.role === "leader" ? report.term : -1;
}
