import { until } from "../../support/until.ts";

/** Each machine has a network of its own within `10.9.0.0/16`, between itself and the router. */
const NETWORK = "10.9";
/** After the rule for local addresses, and before the one for the main table. */
const FIRST_RULE = 100;

type Child = Deno.ChildProcess;

/** Whether this system allows network namespaces, in which cables can be cut. */
export async function canMakeMachines(): Promise<boolean> {
  if (Deno.build.os !== "linux") return false;
  const script = "ip link set lo up && ip rule add pref 99 from 10.9.9.9 blackhole";
  const quiet = { stdin: "null", stdout: "null", stderr: "null" } as const;
  try {
    const args = ["--net", "sh", "-c", `${script} && command -v nsenter`];
    return (await new Deno.Command("unshare", { args, ...quiet }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * A network namespace with an address of its own, which faults concern. At a second address it can
 * be observed, whatever is cut.
 */
export class Machine {
  readonly name: string;
  readonly host: string;
  readonly observedHost: string;
  readonly number: number;
  /** Keeps the namespace, and ends with this process; `null` if it is this process's own. */
  holder: Child | null = null;

  constructor(name: string, number: number) {
    this.name = name;
    this.number = number;
    this.host = `${NETWORK}.${number}.1`;
    this.observedHost = `${NETWORK}.${number}.2`;
  }

  /** The words before a command that has to run on this machine. */
  get within(): string[] {
    return this.holder === null ? [] : enter(this.holder.pid);
  }
}

/**
 * Machines around a router that can drop packets. The kernel does all of it: packets on a cut path
 * get no answer of any kind, and TCP backs off, as between real machines.
 *
 * The process has to be in a network namespace of its own (`unshare --net`), which is the machine
 * of the clients.
 */
export class Machines {
  readonly #router: Child;
  readonly #machines = new Map<string, Machine>();
  /** The routing rules that drop packets now. */
  readonly #rules = new Set<number>();
  /** Machines without power. */
  readonly #dark = new Set<string>();
  #lastRule = FIRST_RULE;

  private constructor(router: Child) {
    this.#router = router;
  }

  /** @param own the name of the machine on which this process runs */
  static async start(own: string, others: readonly string[]): Promise<Machines> {
    const router = await newNamespace();
    const machines = new Machines(router);
    try {
      await run([...enter(router.pid), "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
      for (const [at, name] of [own, ...others].entries()) {
        const machine = new Machine(name, at);
        machines.#machines.set(name, machine);
        if (name !== own) machine.holder = await newNamespace();
        await machines.#connect(machine);
      }
      return machines;
    } catch (error) {
      machines.stop();
      throw error;
    }
  }

  machine(name: string): Machine {
    const machine = this.#machines.get(name);
    if (machine === undefined) throw new Error(`there is no machine ${name}`);
    return machine;
  }

  get names(): string[] {
    return [...this.#machines.keys()];
  }

  /** Drops packets from the first to the second machine of each pair. @returns ends it */
  async cut(pairs: readonly (readonly [string, string])[]): Promise<() => Promise<void>> {
    const numbers = pairs.map(() => ++this.#lastRule);
    await this.#change(pairs.map(([from, to], at) => {
      const [source, target] = [this.machine(from).host, this.machine(to).host];
      return `rule add pref ${numbers[at]} from ${source} to ${target} blackhole`;
    }));
    for (const number of numbers) this.#rules.add(number);
    return () => this.#forget(numbers);
  }

  /** Ends all cuts and gives all machines power. */
  async healAll(): Promise<void> {
    await this.#forget([...this.#rules]);
    for (const name of [...this.#dark]) await this.powerOn(name);
  }

  /** Powers a machine off: its kernel forgets all connections. Cut its packets first. */
  async powerOff(name: string): Promise<void> {
    const machine = this.machine(name);
    this.#dark.add(name);
    await run([...enter(this.#router.pid), "ip", "link", "del", `v${machine.number}`]);
    if (machine.holder !== null) await end(machine.holder);
  }

  async powerOn(name: string): Promise<void> {
    const machine = this.machine(name);
    machine.holder = await newNamespace();
    await this.#connect(machine);
    this.#dark.delete(name);
  }

  /** Ends all namespaces, and with them the rules of the router's kernel. */
  stop(): void {
    for (const { holder } of this.#machines.values()) if (holder !== null) end(holder);
    end(this.#router);
  }

  /** Removes these rules. Rules that were removed before are skipped. */
  async #forget(numbers: readonly number[]): Promise<void> {
    const left = numbers.filter((number) => this.#rules.delete(number));
    if (left.length > 0) await this.#change(left.map((number) => `rule del pref ${number}`));
  }

  async #connect(machine: Machine): Promise<void> {
    const { number, host, observedHost, holder } = machine;
    const router = `${NETWORK}.${number}.254`;
    const id = holder?.pid ?? Deno.pid;
    await batch(enter(this.#router.pid), [
      `link add v${number} type veth peer name e0 netns ${id}`,
      `addr add ${router}/24 dev v${number}`,
      `link set v${number} up`,
    ]);
    await batch(machine.within, [
      "link set lo up",
      `addr add ${host}/24 dev e0`,
      `addr add ${observedHost}/24 dev e0`,
      "link set e0 up",
      `route add ${NETWORK}.0.0/16 via ${router}`,
    ]);
  }

  #change(lines: readonly string[]): Promise<void> {
    return batch(enter(this.#router.pid), lines);
  }
}

async function newNamespace(): Promise<Child> {
  const quiet = { stdout: "null", stderr: "null" } as const;
  const holder = new Deno.Command("unshare", { args: ["--net", "cat"], stdin: "piped", ...quiet })
    .spawn();
  const own = Deno.readLinkSync("/proc/self/ns/net");
  await until("a network namespace is made", () => {
    return Deno.readLinkSync(`/proc/${holder.pid}/ns/net`) !== own;
  });
  return holder;
}

/** @returns when the process has ended; it may have ended before */
async function end(child: Child): Promise<void> {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // it has ended
  }
  await child.status;
}

function enter(processId: number): string[] {
  return ["nsenter", `--net=/proc/${processId}/ns/net`];
}

async function batch(within: readonly string[], lines: readonly string[]): Promise<void> {
  await run([...within, "ip", "-batch", "-"], `${lines.join("\n")}\n`);
}

/** @throws with its output if it fails */
async function run(words: readonly string[], input = ""): Promise<void> {
  const [command = "", ...args] = words;
  const pipes = { stdin: "piped", stdout: "null", stderr: "piped" } as const;
  const child = new Deno.Command(command, { args, ...pipes }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stderr } = await child.output();
  if (!success) throw new Error(`${words.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
