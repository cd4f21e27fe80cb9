import { messageOf, UserError } from "../base/errors.ts";
import { ChildProcess } from "./cluster/child_process.ts";
import { ClusterView } from "./cluster/cluster_view.ts";
import { NodeObserver } from "./cluster/node_observer.ts";
import { untilPortsFree } from "./cluster/ports.ts";
import { proxyServing } from "./cluster/proxy_probe.ts";
import { integer, port as portFlag, text, toggle, UsageError } from "./flags.ts";
import { endingSignal } from "./platform/signals.ts";
import { subcommand } from "./subcommand.ts";
import { table } from "./table.ts";

const HOST = "127.0.0.1";
const RAFT_PORT_OFFSET = 10_000;
const STOP_WITH_STDIN = "--stop-with-stdin";
/** Said even where it is the default: the environment that we pass on must not change it. */
const ON_THIS_HOST = ["--host", HOST, "--advertise", HOST, STOP_WITH_STDIN];
const START_SECONDS_MAX = 60;
const RESTART_DELAY_MS = 500;
const TELL_DELAY_MS = 100;

export const clusterSubcommand = subcommand({
  name: "cluster",
  summary: "a whole local cluster: N nodes and a proxy, each its own process",
  description:
    "Starts N nodes and a proxy on this machine, each as a process of its own, and tells of\n" +
    "elections and deaths as they happen. Started again on the same directory it is the same\n" +
    "cluster. Ctrl-C stops all of it.",
  flags: {
    nodes: integer("N", { help: "How many nodes", fallback: 3, min: 1, max: 9 }),
    port: portFlag({ help: "The proxy's port; the nodes take the next ones", fallback: 7000 }),
    dir: text("DIR", { help: "Where the nodes keep their data", fallback: "data" }),
    restart: toggle({ help: "Start a process that died again" }),
  },
  examples: ["regent cluster", "regent cluster --nodes 5 --port 7100 --dir /tmp/five"],
  async run(values) {
    const cluster = new LocalCluster(values);
    const ending = endingSignal();
    await cluster.start(ending);
    await ending;
    await cluster.stop();
    return 0;
  },
});

interface LocalClusterOptions {
  readonly nodes: number;
  readonly port: number;
  readonly dir: string;
  readonly restart: boolean;
}

interface Member {
  readonly name: string;
  readonly port: number;
  /** All that it listens on. */
  readonly ports: readonly number[];
  readonly directory: string | null;
  readonly args: readonly string[];
  readonly permissions: readonly string[];
}

class LocalCluster {
  readonly #options: LocalClusterOptions;
  readonly #members: readonly Member[];
  readonly #children = new Map<string, ChildProcess>();
  readonly #observers = new Map<string, NodeObserver>();
  readonly #view = new ClusterView(
    (line) => this.#tell(line),
    () => performance.now(),
  );
  /** Nodes that ended in good order: told to, or because they are no members any more. */
  #endedCount = 0;
  #isStarted = false;
  #isStopping = false;
  #failed: (reason: UserError) => void = () => {};

  constructor(options: LocalClusterOptions) {
    this.#options = options;
    const lastRaftPort = options.port + options.nodes + RAFT_PORT_OFFSET;
    if (lastRaftPort > 65_535) {
      throw new UsageError(`Cannot use --port: the Raft port ${lastRaftPort} would be over 65535`);
    }
    this.#members = [...nodeMembers(options), proxyMember(options)];
  }

  /** Resolves when the cluster serves, or when it is told to end before. */
  async start(ending: Promise<unknown>): Promise<void> {
    const { nodes, dir, port } = this.#options;
    makeDirectory(`${dir}/logs`);
    await untilPortsFree(HOST, this.#members.flatMap(({ ports }) => ports));
    console.log(`Starting ${nodes} ${nodes === 1 ? "node" : "nodes"} and a proxy…`);
    const failed = new Promise<never>((_resolve, reject) => this.#failed = reject);
    const timer = setTimeout(
      () => this.#failed(new UserError(`Cannot start: not serving after ${START_SECONDS_MAX} s`)),
      START_SECONDS_MAX * 1000,
    );
    for (const member of this.#members) this.#spawn(member);
    for (const { name, port, directory } of this.#members) {
      if (directory === null) continue;
      this.#observers.set(name, new NodeObserver(name, { host: HOST, port }, this.#view));
    }
    let isOver = false;
    const serving = this.#view.whenServing(() => nodes - this.#endedCount)
      .then(() => proxyServing({ host: HOST, port }, () => isOver))
      .then(() => true);
    try {
      const isServing = await Promise.race([serving, failed, ending.then(() => false)]);
      if (!isServing) return;
    } catch (error) {
      await this.stop();
      throw error;
    } finally {
      clearTimeout(timer);
      isOver = true;
    }
    this.#isStarted = true;
    this.#show();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const observer of this.#observers.values()) observer.stop();
    for (const child of this.#children.values()) child.stop();
    await Promise.all([...this.#children.values()].map(({ exited }) => exited));
    if (this.#isStarted) console.log("Stopped. The same command starts the same cluster again.");
  }

  #spawn(member: Member): void {
    const child = new ChildProcess({
      ...member,
      logFile: `${this.#options.dir}/logs/${member.name}.log`,
      onExit: (child, { how, lastLine }) => {
        if (this.#children.get(member.name) === child) this.#children.delete(member.name);
        this.#died(member, `${member.name} (pid ${child.processId}) died, ${how}`, lastLine);
      },
    });
    this.#children.set(member.name, child);
  }

  #died(member: Member, what: string, lastLine: string): void {
    if (this.#isStopping) return;
    const hasEnded = what.endsWith("exit code 0") && member.directory !== null;
    if (hasEnded) this.#endedCount++;
    this.#observers.get(member.name)?.died();
    this.#view.died(member.name);
    const reason = lastLine.replace(/^regent: /, "");
    if (hasEnded && !this.#isStarted) return console.log(`${member.name} ended: ${reason}`);
    if (!this.#isStarted) return this.#failed(new UserError(`Cannot start: ${what}: ${reason}`));
    this.#tell(what + (what.includes("killed") || reason === "" ? "" : `: ${reason}`));
    if (!this.#options.restart || hasEnded) return;
    setTimeout(() => {
      if (this.#isStopping) return;
      this.#spawn(member);
      this.#tell(`${member.name} is started again`);
    }, RESTART_DELAY_MS);
  }

  /** A moment late, so that a Ctrl-C, which the nodes get as well, is not told as their death. */
  #tell(line: string): void {
    if (!this.#isStarted) return;
    const stamped = `${new Date().toLocaleTimeString("en-GB")}  ${line}`;
    setTimeout(() => {
      if (!this.#isStopping) console.log(stamped);
    }, TELL_DELAY_MS);
  }

  #show(): void {
    const { port } = this.#options;
    const rows = this.#members.map(({ name, port, directory }) => [
      name,
      directory === null ? "proxy" : this.#view.roleOf(name),
      `${HOST}:${port}`,
      String(this.#children.get(name)?.processId ?? "-"),
      directory ?? "-",
    ]);
    const leader = this.#members.find(({ name }) => name === this.#view.leaderId);
    const leaderId = leader === undefined ? "PID" : this.#children.get(leader.name)?.processId;
    console.log([
      "",
      table([["name", "role", "address", "pid", "data"], ...rows]),
      "",
      `Serving: ${leader?.name} leads in term ${this.#view.term}. Type in another terminal:`,
      `  redis-cli -p ${port} set greeting hello`,
      `  redis-cli -p ${port} get greeting`,
      `  kill -9 ${leaderId}        the leader dies, another takes over, nothing is lost`,
      `  ${programName()} ${leader?.args.slice(0, 7).join(" ")}        brings it back`,
      `  ${programName()} status --nodes ${HOST}:${port}`,
      `  ${programName()} fault --port ${leader?.port} isolate 5000        cuts the leader off for 5 s`,
      "",
    ].join("\n"));
  }
}

function nodeMembers({ nodes, port, dir }: LocalClusterOptions): Member[] {
  const names = Array.from({ length: nodes }, (_, at) => `n${at + 1}`);
  const raftPort = (at: number) => port + at + 1 + RAFT_PORT_OFFSET;
  const peers = names.map((name, at) => `${name}=${HOST}:${raftPort(at)}`).join(",");
  return names.map((name, at) => {
    const directory = `${dir}/${name}`;
    return {
      name,
      port: port + at + 1,
      ports: [port + at + 1, raftPort(at)],
      directory,
      args: [
        ...["node", "--id", name, "--port", String(port + at + 1), "--dir", directory],
        ...["--peers", peers, "--raft-port", String(raftPort(at)), ...ON_THIS_HOST],
        "--allow-faults",
      ],
      permissions: [
        "--allow-net",
        "--allow-env",
        `--allow-read=${dir}`,
        `--allow-write=${dir}`,
      ],
    };
  });
}

function proxyMember({ nodes, port }: LocalClusterOptions): Member {
  const addresses = Array.from({ length: nodes }, (_, at) => `${HOST}:${port + at + 1}`).join(",");
  return {
    name: "proxy",
    port,
    ports: [port],
    directory: null,
    args: ["proxy", "--port", String(port), "--nodes", addresses, "--host", HOST, STOP_WITH_STDIN],
    permissions: ["--allow-net", "--allow-env"],
  };
}

function makeDirectory(path: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new UserError(`Cannot use --dir: ${messageOf(error)}`);
  }
}

/** What a user types before a subcommand. */
function programName(): string {
  return Deno.build.standalone ? Deno.execPath() : "npx -y deno@2.9.6 task";
}
