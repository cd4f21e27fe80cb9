import { fileURLToPath } from "node:url";
import { messageOf, UserError } from "../base/errors.ts";
import { silentLogger } from "../base/logger.ts";
import { endingSignal, PROBE_FILE } from "../platform/process.ts";
import { type ChildExit, ChildProcess } from "./cluster/child_process.ts";
import { ClusterView } from "./cluster/cluster_view.ts";
import { NodeObserver, proxyServing } from "./cluster/node_observer.ts";
import { portHolder, takenPorts } from "./cluster/ports.ts";
import {
  ensureLocalSecret,
  localSecret,
  readClusterSecret,
  secretFlags,
  secretOf,
} from "./cluster_secret.ts";
import { subcommand } from "./command_line.ts";
import { choice, directoryFlag, integer, port as portFlag, toggle, UsageError } from "./flags.ts";
import { memoryFlag } from "./memory_bound.ts";
import { useCredentials } from "./resp_client.ts";
import { HTTP_PORT_OFFSET, THREAD_SOURCE } from "./services/services.ts";
import { table } from "./table.ts";

const HOST = "127.0.0.1";
const RAFT_PORT_OFFSET = 10_000;
const STOP_WITH_STDIN = "--stop-with-stdin";
/** Includes flags at their defaults, since inherited environment variables must not change them. */
const ON_THIS_HOST = ["--host", HOST, "--advertise", HOST, STOP_WITH_STDIN];
const START_SECONDS_MAX = 60;
const RESTART_DELAY_MS = 500;
/** Maximum delay in milliseconds before the restart of a process that keeps ending. */
const RESTART_DELAY_MS_MAX = 16_000;
/** A process that ran for this long, in milliseconds, is restarted after the shortest delay. */
const SOUND_LIFE_MS = 10_000;
const PRINT_DELAY_MS = 100;

export const clusterSubcommand = subcommand({
  name: "cluster",
  summary: "run a cluster on this machine: N nodes and a proxy, one process each",
  description:
    "Starts N nodes and a proxy on this machine, one process each, and reports elections and " +
    "ended processes as they happen. With the same --dir it starts the same cluster again, and " +
    "includes a node that you restarted and that still runs. Ctrl-C stops everything that it " +
    "started.",
  flags: {
    // For the other subcommands, REGENT_NODES is a list of addresses.
    nodes: {
      ...integer("N", { help: "Number of nodes", defaultValue: 3, min: 1, max: 9 }),
      environment: "REGENT_CLUSTER_NODES",
    },
    port: portFlag({
      help: "Port of the proxy; the nodes use the ports after it",
      defaultValue: 7000,
    }),
    dir: directoryFlag({ help: "Directory for the nodes' data and logs", defaultValue: "data" }),
    httpPort: choice(["auto", "off"], {
      help:
        "auto: each process serves HTTP on its port + 1000, if that port is free; off: none does",
      defaultValue: "auto",
    }),
    memoryBytesMax: memoryFlag,
    ...secretFlags,
    restart: toggle({
      help: "Restart each process that ends, except the nodes removed from the cluster",
    }),
  },
  examples: ["regent cluster", "regent cluster --nodes 5 --port 7100 --dir /tmp/five"],
  async run(values) {
    const path = makeDirectory(values.dir);
    const directories = memberNames(values.nodes).map((name) => `${path}/${name}`);
    const secretFile = values.clusterSecretFile ?? ensureLocalSecret(path, directories);
    const warn = (line: string) => console.error(`regent: ${line}`);
    const secret = readClusterSecret(secretFile ?? undefined, { ...silentLogger, warn });
    useCredentials({ secret: secretOf(secret), user: null });
    const cluster = new LocalCluster({ ...values, path, secretFile: values.clusterSecretFile });
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
  /** As the user typed it. */
  readonly dir: string;
  /** The same, absolute and without symbolic links: the children's permissions name it. */
  readonly path: string;
  readonly restart: boolean;
  readonly httpPort: string;
  readonly memoryBytesMax: number | undefined;
  /** The file with the secret of the cluster; `undefined`: that in the directory, if any. */
  readonly secretFile: string | undefined;
}

interface Member {
  readonly name: string;
  readonly port: number;
  /** All ports that it listens on. */
  readonly ports: readonly number[];
  /** The data directory, as the user typed it; `null` for the proxy. */
  readonly directory: string | null;
  readonly args: readonly string[];
  readonly permissions: readonly string[];
}

class LocalCluster {
  readonly #options: LocalClusterOptions;
  readonly #members: readonly Member[];
  readonly #children = new Map<string, ChildProcess>();
  /** Process ids of nodes that already ran when the cluster was started, by name. */
  readonly #adopted = new Map<string, number>();
  readonly #restartDelaysMs = new Map<string, number>();
  readonly #observers = new Map<string, NodeObserver>();
  readonly #view = new ClusterView(
    (line) => this.#print(() => line),
    () => performance.now(),
  );
  /** Number of nodes that ended normally: they were stopped, or are no members any more. */
  #endedCount = 0;
  /** Whether the proxy serves HTTP. */
  #servesHttp = false;
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

  /** Resolves when the cluster serves, or when it is asked to end first. */
  async start(ending: Promise<unknown>): Promise<void> {
    const { nodes, port } = this.#options;
    await this.#adoptRunning();
    await this.#checkHttpPort();
    console.log(`Starting ${nodes} ${nodes === 1 ? "node" : "nodes"} and a proxy…`);
    const failed = new Promise<never>((_resolve, reject) => this.#failed = reject);
    const timer = setTimeout(
      () =>
        this.#failed(
          new UserError(
            `Cannot start: the cluster does not serve after ${START_SECONDS_MAX} s; ` +
              `see the logs in ${this.#options.dir}/logs`,
          ),
        ),
      START_SECONDS_MAX * 1000,
    );
    for (const member of this.#members) {
      if (!this.#adopted.has(member.name)) this.#spawn(member);
    }
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
    for (const [name, processId] of this.#adopted) {
      console.log(`${name} (pid ${processId}) keeps running: it was not started by this command.`);
    }
    if (this.#isStarted) console.log("Stopped. The same command starts the same cluster again.");
  }

  /**
   * Adopts nodes that still run. A node that the user restarted outlives the cluster's processes.
   *
   * @throws {UserError} when another program has one of the ports
   */
  async #adoptRunning(): Promise<void> {
    const taken = await takenPorts(HOST, this.#members.flatMap(({ ports }) => ports));
    for (const { name, port, ports, directory } of this.#members) {
      const takenPort = ports.find((one) => taken.includes(one));
      if (takenPort === undefined) continue;
      const holder = await portHolder({ host: HOST, port: takenPort });
      const isOurs = takenPort === port && directory !== null && holder.nodeId === name &&
        holder.processId === this.#lockHolder(name);
      if (!isOurs || holder.processId === null) {
        throw new UserError(
          `Cannot listen on ${HOST}:${takenPort}: the port is in use by ${holder.description}; ` +
            `end that process, or choose other ports with --port`,
        );
      }
      this.#adopted.set(name, holder.processId);
      console.log(`${name} is already running (pid ${holder.processId}) and is used as it is`);
    }
  }

  /** Finds out whether the proxy will serve HTTP, and says why not if another program has its port. */
  async #checkHttpPort(): Promise<void> {
    if (this.#options.httpPort === "off") return;
    const port = this.#options.port + HTTP_PORT_OFFSET;
    this.#servesHttp = (await takenPorts(HOST, [port])).length === 0;
    if (!this.#servesHttp) console.log(`The proxy serves no HTTP: ${HOST}:${port} is in use.`);
  }

  /** The process that has locked a node's directory, or was the last to do so. */
  #lockHolder(name: string): number | null {
    try {
      return Number(Deno.readTextFileSync(`${this.#options.path}/${name}/lock`)) || null;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    }
  }

  #spawn(member: Member): void {
    const startMs = performance.now();
    const child = new ChildProcess({
      ...member,
      logFile: `${this.#options.path}/logs/${member.name}.log`,
      onExit: (child, exit) => {
        if (this.#children.get(member.name) === child) this.#children.delete(member.name);
        this.#ended(member, child.processId, exit, performance.now() - startMs);
      },
    });
    this.#children.set(member.name, child);
  }

  #ended(member: Member, processId: number, exit: ChildExit, lifeMs: number): void {
    if (this.#isStopping) return;
    const { name, directory } = member;
    const reason = exit.lastLine.replace(/^regent: /, "");
    const death = `${name} (pid ${processId}) died, ${exit.how}`;
    this.#observers.get(name)?.died();
    if (exit.isSuccess && directory !== null) this.#endedCount++;
    this.#view.died(name);
    if (!this.#isStarted) {
      if (!exit.isSuccess) this.#failed(new UserError(`Cannot start: ${death}: ${reason}`));
      else console.log(`${name} ended: ${reason}`);
      return;
    }
    this.#print(() => {
      if (this.#view.isRemoved(name)) {
        return `${name} (pid ${processId}) ended: it is no longer a member`;
      }
      if (exit.isSuccess) return `${name} (pid ${processId}) was stopped`;
      return death + (exit.how.includes("killed") || reason === "" ? "" : `: ${reason}`);
    });
    if (this.#options.restart) this.#restartLater(member, lifeMs);
  }

  #restartLater(member: Member, lifeMs: number): void {
    const { name } = member;
    const before = this.#restartDelaysMs.get(name);
    const delayMs = before === undefined || lifeMs > SOUND_LIFE_MS
      ? RESTART_DELAY_MS
      : Math.min(2 * before, RESTART_DELAY_MS_MAX);
    this.#restartDelaysMs.set(name, delayMs);
    setTimeout(() => {
      if (this.#isStopping || this.#view.isRemoved(name)) return;
      this.#spawn(member);
      this.#print(() => `${name} was restarted`);
    }, delayMs);
  }

  /** Prints after a moment, so that nodes which the same Ctrl-C ends are not reported as dead. */
  #print(line: () => string): void {
    if (!this.#isStarted) return;
    const clock = new Date().toLocaleTimeString("en-GB");
    setTimeout(() => {
      if (!this.#isStopping) console.log(`${clock}  ${line()}`);
    }, PRINT_DELAY_MS);
  }

  #show(): void {
    const { port } = this.#options;
    const processIdOf = (name: string) =>
      this.#children.get(name)?.processId ?? this.#adopted.get(name);
    const rows = this.#members.map(({ name, port, directory }) => [
      name,
      directory === null ? "proxy" : this.#view.roleOf(name),
      `${HOST}:${port}`,
      String(processIdOf(name) ?? "-"),
      directory ?? "-",
    ]);
    const leader = this.#members.find(({ name }) => name === this.#view.leaderId);
    const leaderId = leader === undefined ? "PID" : processIdOf(leader.name);
    const program = programName();
    console.log([
      "",
      table([["name", "role", "address", "pid", "data"], ...rows]),
      "",
      `Serving: ${leader?.name} leads in term ${this.#view.term}. Type in another terminal:`,
      `  redis-cli -p ${port} set greeting hello`,
      `  redis-cli -p ${port} get greeting`,
      `  kill -9 ${leaderId}    # the leader dies, another takes over, nothing is lost`,
      `  ${program} ${restartCommand(leader)}    # brings it back`,
      `  ${program} status --nodes ${HOST}:${port}`,
      `  ${program} fault --port ${leader?.port} isolate 5000    # isolates the leader for 5 s`,
      ...(this.#servesHttp ? [`  curl http://${HOST}:${port + HTTP_PORT_OFFSET}/cluster`] : []),
      ...(this.#servesHttp
        ? [
          "",
          `Files, music and the cluster: http://${HOST}:${port + HTTP_PORT_OFFSET} in a browser`,
        ]
        : []),
      "",
    ].join("\n"));
  }
}

function nodeMembers(options: LocalClusterOptions): Member[] {
  const { nodes, port, dir, path, httpPort, memoryBytesMax, secretFile } = options;
  const names = memberNames(nodes);
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
        ...["node", "--id", name, "--port", String(port + at + 1)],
        ...["--dir", `${path}/${name}`],
        ...["--peers", peers, "--raft-port", String(raftPort(at)), ...ON_THIS_HOST],
        ...["--http-port", httpPort],
        "--allow-faults",
        ...(memoryBytesMax === undefined ? [] : ["--memory-bytes-max", String(memoryBytesMax)]),
        ...(secretFile === undefined ? [] : ["--cluster-secret-file", secretFile]),
      ],
      permissions: [
        "--allow-net",
        "--allow-env",
        permission("read", [path, ...READ_BY_ALL, ...secretFile === undefined ? [] : [secretFile]]),
        permission("write", [path]),
        SYSTEM_CALLS,
      ],
    };
  });
}

function memberNames(nodes: number): string[] {
  return Array.from({ length: nodes }, (_, at) => `n${at + 1}`);
}

function proxyMember({ nodes, port, path, httpPort, secretFile }: LocalClusterOptions): Member {
  const secret = secretFile ?? localSecret(path);
  const addresses = Array.from({ length: nodes }, (_, at) => `${HOST}:${port + at + 1}`).join(",");
  return {
    name: "proxy",
    port,
    ports: [port],
    directory: null,
    args: [
      ...["proxy", "--port", String(port), "--nodes", addresses, "--host", HOST],
      ...["--http-port", httpPort, STOP_WITH_STDIN],
      ...(secret === null ? [] : ["--cluster-secret-file", secret]),
    ],
    permissions: [
      "--allow-net",
      "--allow-env",
      permission("read", [...READ_BY_ALL, ...secret === null ? [] : [secret]]),
      SYSTEM_CALLS,
    ],
  };
}

/** To know how much space there is for files, and to let heartbeats come before them. */
const SYSTEM_CALLS = "--allow-sys=statfs,setPriority";

/** What every process reads. */
const READ_BY_ALL: readonly string[] = [PROBE_FILE, fileURLToPath(THREAD_SOURCE)];

/** Deno takes a comma as the end of a path, and has no way to escape it. */
function permission(kind: "read" | "write", paths: readonly string[]): string {
  const isListable = paths.every((path) => !path.includes(","));
  return isListable ? `--allow-${kind}=${paths.join(",")}` : `--allow-${kind}`;
}

/** @returns the path without symbolic links */
function makeDirectory(dir: string): string {
  try {
    Deno.mkdirSync(`${dir}/logs`, { recursive: true });
    return Deno.realPathSync(dir);
  } catch (error) {
    throw new UserError(`Cannot use --dir: ${messageOf(error)}`);
  }
}

/** The shortest command that restarts a node on its directory. */
function restartCommand(member: Member | undefined): string {
  if (member === undefined) return "node";
  const { name, port, directory } = member;
  const dir = shellWord(directory ?? "");
  return `node --id ${name} --port ${port} --dir ${dir} --allow-faults`;
}

/** Quotes a word for a shell. */
function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** What a user types before a subcommand. */
function programName(): string {
  return Deno.build.standalone ? Deno.execPath() : "npx -y deno@2.9.6 task";
}
