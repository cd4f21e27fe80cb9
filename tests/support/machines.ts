import { messageOf } from "../../src/base/errors.ts";
import { regentCommand } from "./regent_process.ts";

/** A machine with its own network: a namespace with one address, `10.77.0.N`. */
export class Machine {
  readonly name: string;
  readonly address: string;
  said = "";
  #process: Deno.ChildProcess | null = null;

  constructor(number: number, prefix: string) {
    this.name = `${prefix}${number}`;
    this.address = `10.77.0.${number}`;
  }

  /** Starts `regent` on this machine. */
  start(args: readonly string[]): void {
    this.#process = this.#command([...args, "--stop-with-stdin"]).spawn();
    void this.#drain(this.#process);
  }

  /** Runs `regent` on this machine until it ends. */
  async run(args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const child = this.#command(args).spawn();
    await child.stdin.close();
    const { code, stdout, stderr } = await child.output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  }

  async kill(): Promise<void> {
    if (this.#process === null) return;
    this.#process.kill("SIGKILL");
    await this.#process.status;
    await this.#process.stdin.close().catch(() => {});
    this.#process = null;
  }

  #command(args: readonly string[]): Deno.Command {
    const piped = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
    return regentCommand(args, piped, undefined, ["ip", "netns", "exec", this.name]);
  }

  async #drain(process: Deno.ChildProcess): Promise<void> {
    void process.stdout.cancel();
    for await (const chunk of process.stderr) this.said += new TextDecoder().decode(chunk);
  }
}

/** Why no machines can be made here, or `null`. They need Linux and root. */
export async function whyNoMachines(): Promise<string | null> {
  if (Deno.build.os !== "linux") return "it is not Linux";
  try {
    await withMachines(1, () => Promise.resolve());
    return null;
  } catch (error) {
    return messageOf(error).split("\n")[0] ?? "";
  }
}

/**
 * Runs a test with machines that reach only each other: network namespaces on one bridge, without a
 * default route.
 *
 * @throws if namespaces cannot be made, which needs root
 */
export async function withMachines(
  count: number,
  test: (machines: readonly Machine[]) => Promise<void>,
): Promise<void> {
  const prefix = `rg${Deno.pid % 100_000}x`;
  const bridge = `${prefix}b`;
  const machines = Array.from({ length: count }, (_, at) => new Machine(at + 1, prefix));
  try {
    await ip(`link add ${bridge} type bridge`);
    await ip(`link set ${bridge} up`);
    for (const { name, address } of machines) {
      await ip(`netns add ${name}`);
      await ip(`link add ${name}o type veth peer name eth0 netns ${name}`);
      await ip(`link set ${name}o master ${bridge} up`);
      await ip(`-n ${name} address add ${address}/24 dev eth0`);
      await ip(`-n ${name} link set eth0 up`);
      await ip(`-n ${name} link set lo up`);
    }
    await test(machines);
  } catch (error) {
    if (error instanceof Error) {
      error.message += machines.map(({ name, said }) => `\n--- ${name}\n${said}`).join("");
    }
    throw error;
  } finally {
    for (const machine of machines) await machine.kill();
    for (const { name } of machines) await ip(`netns delete ${name}`).catch(() => {});
    await ip(`link delete ${bridge}`).catch(() => {});
  }
}

async function ip(words: string): Promise<void> {
  const { code, stderr } = await new Deno.Command("ip", { args: words.split(" ") }).output();
  if (code === 0) return;
  const reason = new TextDecoder().decode(stderr).trim();
  throw new Error(`ip ${words}: ${reason}; this test needs root and network namespaces`);
}
