import { fileURLToPath } from "node:url";
import { permissionsFor } from "./permissions.ts";
import { until } from "./until.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const TYPED_MS_MAX = 120_000;

/** The output of a typed command, and how it ended. */
export interface Typed {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Types commands into shells, in a copy of the project. Where the system allows it, the shells have
 * a network of their own, so that the ports which the README names are free.
 */
export class Typist {
  /** The shells' working directory. */
  readonly directory: string;
  readonly #network: Deno.ChildProcess | null;
  readonly #terminals: Terminal[] = [];

  private constructor(directory: string, network: Deno.ChildProcess | null) {
    this.directory = directory;
    this.#network = network;
  }

  static async start(): Promise<Typist> {
    const directory = Deno.makeTempDirSync();
    for (const name of ["deno.json", "main.ts", "src"]) {
      await run("cp", ["-r", `${ROOT}${name}`, directory]);
    }
    // The script that stands for an installed Regent.
    Deno.mkdirSync(`${directory}/bin`);
    const permissions = permissionsFor([]).join(" ");
    const program = "#!/bin/sh\n" +
      `exec "${Deno.execPath()}" run ${permissions} "${directory}/main.ts" "$@"\n`;
    Deno.writeTextFileSync(`${directory}/bin/regent`, program, { mode: 0o755 });
    const typist = new Typist(directory, await ownNetwork());
    return typist;
  }

  /** Types a command and waits until it ends. */
  async type(command: string): Promise<Typed> {
    const terminal = this.open(command);
    const timer = setTimeout(() => terminal.interrupt(), TYPED_MS_MAX);
    const code = await terminal.ended;
    clearTimeout(timer);
    return { code, stdout: terminal.stdout, stderr: terminal.stderr };
  }

  /** Types a command that keeps running. */
  open(command: string): Terminal {
    const network = this.#network === null
      ? []
      : ["nsenter", `--net=/proc/${this.#network.pid}/ns/net`];
    const [file = "", ...args] = [...network, "setsid", "bash", "-c", command];
    const terminal = new Terminal(
      new Deno.Command(file, {
        args,
        cwd: this.directory,
        env: {
          ...OFFLINE,
          PATH: `${this.directory}/bin:${Deno.env.get("PATH") ?? ""}`,
          HOME: Deno.env.get("HOME") ?? this.directory,
        },
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn(),
    );
    this.#terminals.push(terminal);
    return terminal;
  }

  async stop(): Promise<void> {
    for (const terminal of this.#terminals) await terminal.kill();
    this.#network?.kill("SIGKILL");
    await this.#network?.status;
    Deno.removeSync(this.directory, { recursive: true });
  }
}

/** A shell that runs one command, as the leader of a group of processes. */
export class Terminal {
  readonly #process: Deno.ChildProcess;
  readonly ended: Promise<number>;
  stdout = "";
  stderr = "";
  #hasEnded = false;

  constructor(process: Deno.ChildProcess) {
    this.#process = process;
    const drained = Promise.all([
      collect(process.stdout, (text) => this.stdout += text),
      collect(process.stderr, (text) => this.stderr += text),
    ]);
    this.ended = process.status.then(async ({ code }) => {
      this.#hasEnded = true;
      await drained;
      return code;
    });
  }

  /** Waits for a line of standard output. */
  async line(pattern: RegExp): Promise<string> {
    const find = () => this.stdout.split("\n").find((line) => pattern.test(line));
    const describe = () => `It said:\n${this.stdout}${this.stderr}`;
    await until(`a line like ${pattern}`, () => this.#hasEnded || find() !== undefined, {
      describe,
      timeoutMs: TYPED_MS_MAX,
    });
    const line = find();
    if (line === undefined) throw new Error(`It ended without ${pattern}. ${describe()}`);
    return line;
  }

  /** Presses Ctrl-C: every process of the group gets SIGINT. */
  async interrupt(): Promise<void> {
    await run("kill", ["-INT", "--", `-${this.#process.pid}`]);
  }

  async kill(): Promise<void> {
    if (this.#hasEnded) return;
    await run("kill", ["-KILL", "--", `-${this.#process.pid}`]);
    await this.ended;
  }
}

/** Keeps `npx` from asking the registry for packages that it has. */
const OFFLINE = { npm_config_prefer_offline: "true", NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };

/**
 * A process with a network of its own; `null` if that is not allowed, or if npx would need the
 * other one.
 */
async function ownNetwork(): Promise<Deno.ChildProcess | null> {
  const env = { npm_config_offline: "true" };
  if (Deno.uid() !== 0 || !await run("npx", ["-y", "deno@2.9.6", "--version"], env)) return null;
  if (!await run("unshare", ["--net", "ip", "link", "set", "lo", "up"])) return null;
  const args = ["--net", "sh", "-c", "ip link set lo up; echo up; exec sleep 1000"];
  const holder = new Deno.Command("unshare", { args, stdout: "piped", stderr: "null" }).spawn();
  const reader = holder.stdout.getReader();
  await reader.read();
  await reader.cancel();
  return holder;
}

async function run(
  file: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<boolean> {
  try {
    const quiet = { stdout: "null", stderr: "null" } as const;
    return (await new Deno.Command(file, { args: [...args], env, ...quiet }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function collect(
  stream: ReadableStream<Uint8Array>,
  take: (text: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) take(decoder.decode(chunk, { stream: true }));
}
