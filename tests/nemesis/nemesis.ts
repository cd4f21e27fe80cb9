import { randomInteger, seededRandom } from "../../src/base/random.ts";
import { ErrorReply } from "../../src/resp/reply.ts";
import { ask, LOOK_MS, type Member } from "../support/local_cluster.ts";
import type { LinkFaults, LinkMatch, LinkMode } from "./link_faults.ts";
import type { MemberChanges } from "./member_changes.ts";
import type { FaultKind, PlannedFault } from "./plan.ts";
import type { Processes } from "./processes.ts";
import { slowSyncs } from "./slow_syncs.ts";
import type { SmallDisk } from "./small_disk.ts";

/** A node notices a full disk only when the log has used up its preallocated space. */
const FULL_DISK_MS_MAX = 10_000;

export interface NemesisOptions {
  readonly processes: Processes;
  readonly links: LinkFaults;
  readonly changes: MemberChanges;
  /** One node has a small disk. */
  readonly smallDisk: { readonly disk: SmallDisk; readonly member: Member } | null;
  readonly log: (line: string) => void;
}

/** The members that a fault hits; empty if it could not be applied. */
type Victims = readonly string[];
type Fault = (fault: PlannedFault) => Promise<Victims>;

/** Applies the planned faults to a running cluster, and ends each of them. */
export class Nemesis {
  readonly #options: NemesisOptions;
  /** Number of faults of each kind. */
  readonly counts = new Map<FaultKind, number>();

  constructor(options: NemesisOptions) {
    this.#options = options;
  }

  /** Resolves when the last fault has ended. @throws the error of any fault */
  async run(plan: readonly PlannedFault[]): Promise<void> {
    const beginMs = performance.now();
    const done = await Promise.allSettled(plan.map(async (fault) => {
      await sleep(beginMs + fault.atMs - performance.now());
      const nowMs = Math.round(performance.now() - beginMs);
      const victims = await this.#faults[fault.kind](fault);
      const whom = victims.length === 0 ? "left out: it has another fault" : victims.join(", ");
      this.#options.log(`${nowMs} ms, for ${fault.forMs} ms: ${fault.kind} (${whom})`);
      if (victims.length === 0) return;
      this.counts.set(fault.kind, (this.counts.get(fault.kind) ?? 0) + 1);
    }));
    for (const result of done) if (result.status === "rejected") throw result.reason;
  }

  readonly #faults: Readonly<Record<FaultKind, Fault>> = {
    "kill a node": (fault) => this.#kill([this.#node(fault)], fault.forMs),
    "kill the leader": async (fault) => this.#kill([await this.#leader(fault)], fault.forMs),
    "kill all nodes": (fault) => this.#kill(this.#nodes, fault.forMs / 4),
    "end a node": (fault) => this.#kill([this.#node(fault)], fault.forMs, "SIGTERM"),
    "stop a node": (fault) => this.#stop([this.#node(fault)], fault.forMs),
    "stop the leader": async (fault) => this.#stop([await this.#leader(fault)], fault.forMs),
    "stop most nodes": (fault) =>
      this.#stop(this.#nodes.filter((node) => node !== this.#node(fault)), fault.forMs),
    "stutter": (fault) => this.#stutter(fault),
    "kill the proxy": (fault) => this.#kill([this.#proxy(fault)], fault.forMs),
    "stop the proxy": (fault) => this.#stop([this.#proxy(fault)], fault.forMs),
    "hold all of a node": (fault) =>
      this.#onLinks(fault, touching(this.#node(fault)), { kind: "hold" }),
    "hold all of the leader": async (fault) =>
      this.#onLinks(fault, touching(await this.#leader(fault)), { kind: "hold" }),
    "hold what a node sends": (fault) =>
      this.#onLinks(fault, sentBy(this.#node(fault)), { kind: "hold" }),
    "hold what a node gets": (fault) =>
      this.#onLinks(fault, sentTo(this.#node(fault)), { kind: "hold" }),
    "cut two nodes apart": (fault) => this.#cutApart(fault),
    "swallow all of a node": (fault) =>
      this.#onLinks(fault, touching(this.#node(fault)), { kind: "swallow" }),
    "swallow what the leader sends": async (fault) =>
      this.#onLinks(fault, sentBy(await this.#leader(fault)), { kind: "swallow" }),
    "refuse a node": (fault) =>
      this.#onLinks(fault, touching(this.#node(fault)), { kind: "refuse" }),
    "break all connections": (fault) =>
      this.#onLinks({ ...fault, forMs: 20 }, everywhere, { kind: "refuse" }),
    "delay all": (fault) => {
      const delayMs = 5 + randomInteger(seededRandom(fault.seed), 150);
      return this.#onLinks(fault, everywhere, { kind: "delay", delayMs });
    },
    "fill the disk": (fault) => this.#fillDisk(fault),
    "slow the syncs": async (fault) => {
      const end = slowSyncs(this.#options.processes.cluster.dir);
      await sleep(fault.forMs);
      await end();
      return ["all nodes"];
    },
    "lose messages": (fault) =>
      this.#fromInside(fault, ["drop", String(1 + randomInteger(seededRandom(fault.seed), 60))]),
    "isolate from inside": (fault) =>
      this.#fromInside(fault, ["isolate", at(["in", "out", "both"], fault.seed)]),
    "play dead": (fault) => this.#fromInside(fault, ["pause"]),
    "slow a disk": (fault) =>
      this.#fromInside(fault, [
        "slow-disk",
        String(5 + randomInteger(seededRandom(fault.seed), 200)),
      ]),
    "add a node": () => Promise.resolve(this.#options.changes.add()),
    "remove a node": (fault) =>
      this.#options.changes.remove(() => Promise.resolve(this.#node(fault))),
    "remove the leader": (fault) => this.#options.changes.remove(() => this.#leader(fault)),
    "hand leadership over": (fault) => this.#options.changes.transfer(this.#node(fault)),
    "take snapshots": () => this.#takeSnapshots(),
  };

  get #nodes(): readonly Member[] {
    return this.#options.processes.cluster.nodes;
  }

  #node({ node }: PlannedFault): Member {
    return at(this.#nodes, node);
  }

  #proxy({ node }: PlannedFault): Member {
    return at(this.#options.processes.cluster.proxies, node);
  }

  /** The leader of the highest term, or some node if nobody leads. */
  async #leader(fault: PlannedFault): Promise<Member> {
    return await this.#options.changes.leader() ?? this.#node(fault);
  }

  #kill(
    members: readonly Member[],
    forMs: number,
    signal: "SIGKILL" | "SIGTERM" = "SIGKILL",
  ): Promise<Victims> {
    const { processes } = this.#options;
    return processes.withHeld(members, async (held) => {
      await Promise.all(held.map(({ process }) => process.signal(signal)));
      await sleep(forMs);
      for (const member of held) processes.restart(member);
    });
  }

  #stop(members: readonly Member[], forMs: number): Promise<Victims> {
    return this.#options.processes.withHeld(members, async (held) => {
      for (const { process } of held) await process.signal("SIGSTOP");
      await sleep(forMs);
      for (const { process } of held) await process.signal("SIGCONT");
    });
  }

  /** Suspends a node again and again, like an overloaded disk or machine. */
  #stutter(fault: PlannedFault): Promise<Victims> {
    const random = seededRandom(fault.seed);
    return this.#options.processes.withHeld([this.#node(fault)], async ([member]) => {
      const endMs = performance.now() + fault.forMs;
      while (member !== undefined && performance.now() < endMs) {
        await member.process.signal("SIGSTOP");
        await sleep(randomInteger(random, 200));
        await member.process.signal("SIGCONT");
        await sleep(randomInteger(random, 100));
      }
    });
  }

  #cutApart(fault: PlannedFault): Promise<Victims> {
    const one = this.#node(fault);
    const other = at(this.#nodes, fault.node + 1);
    const between: LinkMatch = (from, to) => touching(one)(from, to) && touching(other)(from, to);
    return this.#onLinks(fault, between, { kind: "hold" });
  }

  async #onLinks(fault: PlannedFault, matches: LinkMatch, mode: LinkMode): Promise<Victims> {
    const end = this.#options.links.begin(matches, mode);
    await sleep(fault.forMs);
    end();
    const names = this.#nodes.map(({ name }) => name);
    return names.flatMap((from) =>
      names.filter((to) => from !== to && matches(from, to)).map((to) => `${from}→${to}`)
    );
  }

  /** Asks the node itself for a fault that ends by itself. */
  async #fromInside(fault: PlannedFault, what: readonly string[]): Promise<Victims> {
    const node = this.#node(fault);
    const args = ["FAULT", ...what, String(Math.round(fault.forMs))];
    const reply = await ask(node, args, LOOK_MS);
    if (reply === null) return []; // it is down or suspended
    if (reply instanceof ErrorReply) throw new Error(reply.text);
    await sleep(fault.forMs);
    return [`${node.name}: ${what.join(" ")}`];
  }

  async #takeSnapshots(): Promise<Victims> {
    const taken = await Promise.all(
      this.#nodes.map(async (node) =>
        await ask(node, ["BGSAVE"], LOOK_MS) === null ? [] : [node.name]
      ),
    );
    return taken.flat();
  }

  /** The node has to exit when its log cannot be written. With free space it starts again. */
  async #fillDisk(fault: PlannedFault): Promise<Victims> {
    const { processes, smallDisk } = this.#options;
    if (smallDisk === null || !this.#nodes.includes(smallDisk.member)) return [];
    const { disk } = smallDisk;
    let hasEnded = false;
    const held = await processes.withHeld([smallDisk.member], async ([member]) => {
      if (member === undefined) return;
      await disk.fill();
      await Promise.race([member.process.status, sleep(FULL_DISK_MS_MAX)]);
      hasEnded = !member.process.isRunning;
      if (hasEnded && fault.seed % 2 === 0) {
        processes.restart(member); // it may start or refuse to, but must not harm the data
        await Promise.race([member.process.status, sleep(fault.forMs)]);
      }
      await member.process.signal("SIGKILL");
      await disk.empty();
      processes.restart(member);
    });
    return held.map((name) => hasEnded ? `${name} ended` : `${name} had nothing to write`);
  }
}

const everywhere: LinkMatch = () => true;

function sentBy({ name }: Member): LinkMatch {
  return (from) => from === name;
}

function sentTo({ name }: Member): LinkMatch {
  return (_, to) => to === name;
}

function touching({ name }: Member): LinkMatch {
  return (from, to) => from === name || to === name;
}

function at<Item>(members: readonly Item[], index: number): Item {
  const member = members[index % members.length];
  if (member === undefined) throw new Error("a cluster without members has no faults");
  return member;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
