import { rowOf } from "../../src/commands/table.ts";
import { ClientOrder, Request } from "../../src/node/clients/request.ts";
import { ErrorReply, OK, type Reply } from "../../src/resp/reply.ts";
import type { SimNode } from "./sim_node.ts";
import type { World } from "./world.ts";

const ANSWER_MS_MAX = 6_000;
/** Maximum time from a deadline until no node has the key any more. */
const EXPIRY_MS_MAX = 300;

interface Probe {
  readonly key: string;
  readonly forMs: number;
}

/** Deadlines of keys are before, between and after those of sessions. */
const PROBES: readonly Probe[] = [
  { key: "probe:1", forMs: 500 },
  { key: "probe:2", forMs: 1_300 },
  { key: "probe:3", forMs: 1_800 },
  { key: "probe:4", forMs: 8_000 },
];
const SESSION_MS = [800, 3_600_000];

/**
 * Writes keys and opens sessions that expire, and checks at every node, by the simulation's own
 * time, when they must exist and when they must be gone. Nobody writes anything meanwhile.
 */
export class DeadlineProbe {
  readonly #world: World;
  readonly #nodes: readonly SimNode[];
  readonly #leader: SimNode;

  constructor(world: World, nodes: readonly SimNode[], leader: SimNode) {
    this.#world = world;
    this.#nodes = nodes;
    this.#leader = leader;
  }

  /** @returns what is wrong, or `null` */
  async run(): Promise<string | null> {
    const sessions: Reply[] = [];
    for (const forMs of SESSION_MS) sessions.push(await this.#ask("SESSION", "OPEN", `${forMs}`));
    const openedMs = this.#world.scheduler.nowMs;
    const writtenMs: number[] = [];
    for (const { key, forMs } of PROBES) {
      const reply = await this.#ask("SET", key, "v", "PX", `${forMs}`);
      if (reply !== OK) return `the leader takes no ${key}: ${told(reply)}`;
      writtenMs.push(this.#world.scheduler.nowMs);
    }
    const rate = this.#world.plan.clockRateMax;
    for (const [at, { key, forMs }] of PROBES.entries()) {
      const sinceMs = writtenMs[at] ?? 0;
      await this.#runUntil(sinceMs + forMs * (1 - rate) - EXPIRY_MS_MAX);
      const early = this.#nodes.find((node) => !holds(node, key));
      if (early !== undefined) {
        return `${early.id} has lost ${key}, which was to last ${forMs} ms, after ` +
          `${this.#world.scheduler.nowMs - sinceMs} ms`;
      }
      await this.#runUntil(sinceMs + forMs * (1 + rate) + EXPIRY_MS_MAX);
      const late = this.#nodes.find((node) => holds(node, key));
      if (late !== undefined) {
        return `${late.id} still holds ${key}, which was to last ${forMs} ms, after ` +
          `${this.#world.scheduler.nowMs - sinceMs} ms`;
      }
    }
    await this.#runUntil(openedMs + 800 * (1 + rate) + EXPIRY_MS_MAX);
    const [ended, open] = sessions;
    const late = await this.#ask("ONCE", String(ended), "1", "SET", "probe:5", "v");
    if (!(late instanceof ErrorReply) || !late.text.startsWith("NOSESSION")) {
      return `a session that was to last 800 ms still takes writes: ${told(late)}`;
    }
    const kept = await this.#ask("ONCE", String(open), "1", "SET", "probe:5", "v");
    return kept === OK ? null : `a session of an hour has ended in seconds: ${told(kept)}`;
  }

  async #ask(...args: string[]): Promise<Reply> {
    let answer: Reply | undefined;
    const command = rowOf(args);
    if (command === undefined) throw new RangeError(`Cannot ask for ${args[0]}: no such command`);
    const sink = { settle: (reply: Reply) => answer = reply };
    this.#leader.ask((node) => node.submit(new Request(command, args, new ClientOrder(), sink)));
    const untilMs = this.#world.scheduler.nowMs + ANSWER_MS_MAX;
    await this.#world.run(untilMs, () => answer !== undefined);
    return answer ?? new ErrorReply("ERR there was no answer");
  }

  async #runUntil(atMs: number): Promise<void> {
    if (atMs > this.#world.scheduler.nowMs) await this.#world.run(atMs);
  }
}

/** Whether the key exists by the node's own log time. */
function holds({ machine }: SimNode, key: string): boolean {
  const exists = rowOf(["EXISTS", key]);
  return exists !== undefined && machine?.execute(exists, ["EXISTS", key], machine.timeMs) === 1;
}

function told(reply: Reply): string {
  return reply instanceof ErrorReply ? reply.text : JSON.stringify(reply);
}
