import { ConnectionLost, fieldsOf, RespClient } from "../../src/cli/resp_client.ts";
import type { Reply } from "../../src/resp/reply.ts";
import { freePorts } from "./free_ports.ts";
import { RegentProcess } from "./regent_process.ts";
import { until } from "./until.ts";

const HOST = "127.0.0.1";
/**
 * Timeout of a request. A refused connection fails at once, but a busy machine may take long to
 * answer.
 */
const PATIENCE_MS = 20_000;
/**
 * Timeout of a look at nodes that may be suspended. Without a leader each look takes twice as long.
 */
export const LOOK_MS = 500;
const LOOK_MS_MAX = 5_000;

export interface LocalClusterOptions {
  /** @default 3 */
  readonly nodes?: number;
  /** @default 1 */
  readonly proxies?: number;
  /** @default a temporary directory, removed at the end */
  readonly dir?: string;
  readonly nodeFlags?: readonly string[];
  /** Flags of single nodes by their names, in addition to those of all. */
  readonly flagsOf?: Readonly<Record<string, readonly string[]>>;
  readonly proxyFlags?: readonly string[];
  /** Whether nodes and proxies serve HTTP. @default false */
  readonly http?: boolean;
  /** Whether nodes hold files. @default false */
  readonly files?: boolean;
  /** The command that starts the nodes, in front of `regent`. @default none */
  readonly nodesWithin?: readonly string[];
  /**
   * Puts a relay between a node's Raft port and its peers.
   *
   * @default nothing
   * @returns the port through which the peers reach the node
   */
  readonly raftRelay?: (name: string, raftPort: number) => number;
}

/** A member or proxy, and the process in which it runs now. */
export interface Member {
  readonly name: string;
  /** @default 127.0.0.1 */
  readonly host?: string;
  readonly port: number;
  /** @default it serves no HTTP */
  readonly httpPort?: number | undefined;
  args: readonly string[];
  readonly dir: string;
  process: RegentProcess;
}

export interface RoleReport {
  readonly id: string;
  readonly role: string;
  readonly term: number;
  readonly leaderId: string;
  readonly commitIndex: number;
  readonly appliedIndex: number;
}

/** A cluster of real processes on free ports, for tests and measurements. */
export class LocalCluster {
  readonly nodes: Member[] = [];
  readonly proxies: Member[] = [];
  readonly dir: string;
  /** Flags of all nodes, also used for nodes that join. */
  readonly nodeFlags: readonly string[];
  readonly #isTemporary: boolean;

  private constructor(dir: string, isTemporary: boolean, nodeFlags: readonly string[]) {
    this.dir = dir;
    this.nodeFlags = nodeFlags;
    this.#isTemporary = isTemporary;
  }

  /** Starts the processes and waits until they serve. */
  static async start(options: LocalClusterOptions = {}): Promise<LocalCluster> {
    const { nodes = 3, proxies = 1, dir, nodeFlags = [], proxyFlags = [], flagsOf = {} } = options;
    const { raftRelay = (_, port) => port, nodesWithin } = options;
    const cluster = new LocalCluster(
      dir ?? Deno.makeTempDirSync(),
      dir === undefined,
      nodeFlags,
    );
    const ports = freePorts(2 * nodes + proxies);
    const httpPorts = options.http === true ? freePorts(nodes + proxies) : [];
    const httpFlags = (port: number | undefined) =>
      port === undefined ? [] : ["--http-port", String(port)];
    const fileFlags = options.files === true ? ["--file-weight", "1"] : [];
    const raftPort = (at: number) => ports[nodes + at] ?? 0;
    const peers = Array.from({ length: nodes }, (_, at) => {
      const name = `n${at + 1}`;
      return `${name}=${HOST}:${raftRelay(name, raftPort(at))}`;
    });
    for (let at = 0; at < nodes; at++) {
      const name = `n${at + 1}`;
      const nodeDir = `${cluster.dir}/${name}`;
      const args = [
        ...["node", "--id", name, "--port", String(ports[at]), "--raft-port", String(raftPort(at))],
        ...["--dir", nodeDir, "--peers", peers.join(","), ...nodeFlags],
        ...["--advertise-raft-port", peers[at]?.split(":").at(-1) ?? ""],
        ...(flagsOf[name] ?? []),
        ...httpFlags(httpPorts[at]),
        ...fileFlags,
      ];
      const places = { port: ports[at] ?? 0, httpPort: httpPorts[at] };
      cluster.nodes.push(startMember(name, places, args, nodeDir, nodesWithin));
    }
    const addresses = cluster.nodes.map(({ port }) => `${HOST}:${port}`).join(",");
    for (let at = 0; at < proxies; at++) {
      const port = ports[2 * nodes + at] ?? 0;
      const httpPort = httpPorts[nodes + at];
      const args = [
        ...["proxy", "--port", String(port), "--nodes", addresses],
        ...proxyFlags,
        ...httpFlags(httpPort),
      ];
      const places = { port, httpPort };
      cluster.proxies.push(startMember(`p${at + 1}`, places, args, cluster.dir));
    }
    try {
      await cluster.untilServing();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  get proxy(): Member {
    const [proxy] = this.proxies;
    if (proxy === undefined) throw new Error("this cluster has no proxy");
    return proxy;
  }

  /** Waits until all running nodes agree on a leader, and all that run serve what they should. */
  async untilServing(): Promise<void> {
    await until("all nodes follow one leader", async () => {
      const running = this.nodes.filter(({ process }) => process.isRunning);
      const reports = await Promise.all(running.map(roleOf));
      const leaders = new Set(reports.map((report) => report?.leaderId));
      return leaders.size === 1 && ![...leaders].some((id) => id === undefined || id === "") &&
        reports.some((report) => report?.role === "leader");
    }, { describe: () => this.said() });
    for (const proxy of this.proxies.filter(({ process }) => process.isRunning)) {
      await until(`${proxy.name} serves`, async () => {
        const reply = await ask(proxy, ["DEL", "a key that nobody uses"]);
        return typeof reply === "number";
      }, { describe: () => this.said() });
    }
    for (const { name, httpPort, process } of [...this.nodes, ...this.proxies]) {
      if (httpPort === undefined || !process.isRunning) continue;
      await until(`${name} serves HTTP`, () => isOpen(httpPort), { describe: () => this.said() });
    }
  }

  /** Starts a node that joins the running cluster through this address. */
  join(name: string, via: { readonly port: number }, flags: readonly string[] = []): Member {
    const [port = 0, raftPort = 0] = freePorts(2);
    const dir = `${this.dir}/${name}`;
    const args = [
      ...["node", "--id", name, "--port", String(port), "--raft-port", String(raftPort)],
      ...["--dir", dir, "--join", `${HOST}:${via.port}`, ...flags],
    ];
    const member = startMember(name, { port }, args, dir);
    this.nodes.push(member);
    return member;
  }

  /** The node that leads now, in the highest term. */
  async leader(): Promise<Member> {
    let leader: Member | undefined;
    let lookMs = LOOK_MS;
    await until("somebody leads", async () => {
      const running = this.nodes.filter(({ process }) => process.isRunning);
      const reports = await Promise.all(running.map((node) => roleWithin(node, lookMs)));
      let term = -1;
      reports.forEach((report, at) => {
        if (report?.role === "leader" && report.term > term) {
          leader = running[at];
          term = report.term;
        }
      });
      lookMs = Math.min(2 * lookMs, LOOK_MS_MAX);
      return leader !== undefined;
    }, { describe: () => this.said() });
    return leader as Member;
  }

  async followers(): Promise<Member[]> {
    const leader = await this.leader();
    return this.nodes.filter((node) => node !== leader);
  }

  /** Restarts a member's process with the same arguments. @param program instead of `regent` */
  restart(member: Member, program?: string): void {
    member.process = new RegentProcess(member.args, program);
  }

  /** The processes' output, for the message of a failed test. */
  said(): string {
    return [...this.nodes, ...this.proxies]
      .map(({ name, process }) => `--- ${name}\n${process.said}`)
      .join("\n");
  }

  async stop(): Promise<void> {
    const members = [...this.nodes, ...this.proxies];
    await Promise.all(members.map(async ({ process }) => {
      await process.signal("SIGKILL");
      await process.ended();
    }));
    if (this.#isTemporary) Deno.removeSync(this.dir, { recursive: true });
  }
}

/** Whether somebody accepts connections there. */
async function isOpen(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: HOST, port })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}

function startMember(
  name: string,
  places: Pick<Member, "port" | "httpPort">,
  args: readonly string[],
  dir: string,
  within?: readonly string[],
): Member {
  return { name, ...places, args, dir, process: new RegentProcess(args, undefined, within) };
}

/**
 * Sends one request on a new connection. `null` if nobody listens or the answer does not come in
 * time.
 */
export async function ask(
  { host = HOST, port }: Pick<Member, "host" | "port">,
  args: readonly string[],
  timeoutMs = PATIENCE_MS,
): Promise<Reply | null> {
  try {
    const client = await RespClient.connect({ host, port }, { timeoutMs });
    try {
      return await client.request(args, timeoutMs);
    } finally {
      client.close();
    }
  } catch (error) {
    if (error instanceof ConnectionLost) return null;
    throw error;
  }
}

/** A node's report on itself; `null` if nobody listens, or the node is suspended. */
export function roleOf(member: Pick<Member, "host" | "port">): Promise<RoleReport | null> {
  return roleWithin(member, PATIENCE_MS);
}

/** As `roleOf`, for a node that may be suspended. */
export async function roleWithin(
  member: Pick<Member, "host" | "port">,
  timeoutMs: number,
): Promise<RoleReport | null> {
  const reply = await ask(member, ["CLUSTER", "ROLE"], timeoutMs);
  if (reply === null) return null;
  const fields = fieldsOf(reply);
  return {
    id: String(fields.get("id")),
    role: String(fields.get("role")),
    term: Number(fields.get("term")),
    leaderId: String(fields.get("leader-id")),
    commitIndex: Number(fields.get("commit-index")),
    appliedIndex: Number(fields.get("applied-index")),
  };
}
