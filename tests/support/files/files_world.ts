import { setImmediate } from "node:timers";
import type { Arguments } from "../../../src/base/byte_string.ts";
import { type Random, randomInteger, seededRandom } from "../../../src/base/random.ts";
import { errorReplyOf } from "../../../src/commands/command_error.ts";
import { StateMachine } from "../../../src/commands/state_machine.ts";
import { checkRequest } from "../../../src/commands/table.ts";
import { ErrorReply, type Reply } from "../../../src/resp/reply.ts";
import { Scheduler } from "../../simulation/scheduler.ts";
import type { FilesNode } from "./files_node.ts";

const START_MS = 1_700_000_000_000;
/** Lines of the trace that a failure shows. */
const LINES = 60;

/** What all nodes of a simulated cluster share: time, log, network and the faults in them. */
export class FilesWorld {
  readonly random: Random;
  readonly scheduler = new Scheduler();
  /** The state that all nodes agree on. Raft itself is simulated elsewhere. */
  readonly machine = new StateMachine();
  readonly nodes = new Map<string, FilesNode>();
  /** The members of Raft's configuration. */
  readonly members = new Set<string>();
  leader: string | null = null;
  /** Chance that a write ends with an unknown outcome. */
  unknownChance = 0;
  /** Chance that a step of a transfer between nodes breaks or hangs. */
  breakChance = 0;
  /** Nodes that reach nobody and are reached by nobody. */
  readonly isolated = new Set<string>();
  readonly #trace: string[] = [];

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  get nowMs(): number {
    return START_MS + this.scheduler.nowMs;
  }

  below(limit: number): number {
    return randomInteger(this.random, limit);
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError("Cannot pick from nothing");
    return items[this.below(items.length)] as T;
  }

  note(line: string): void {
    this.#trace.push(`${(this.scheduler.nowMs / 1_000).toFixed(3)} ${line}`);
    if (this.#trace.length > 4 * LINES) this.#trace.splice(0, 2 * LINES);
  }

  get trace(): string {
    return this.#trace.slice(-LINES).join("\n");
  }

  /** Runs until a simulated time, or until something holds. */
  async run(untilMs: number, isDone: () => boolean = () => false): Promise<boolean> {
    await turn();
    while (!isDone()) {
      if (!this.scheduler.runNext(untilMs)) return isDone();
      await turn();
    }
    return true;
  }

  /** For some seconds nobody leads. */
  loseLeader(): void {
    const { leader } = this;
    this.leader = null;
    this.scheduler.after(this.random() * 5_000, () => this.leader ??= leader);
  }

  isReachable(from: string | null, to: FilesNode): boolean {
    return to.isUp && (from === to.id || !this.isolated.has(to.id)) &&
      (from === null || !this.isolated.has(from) || from === to.id);
  }

  /** Executes a command of a node or a proxy, and calls back with the reply. */
  send(from: string | null, args: Arguments, answer: (reply: Reply) => void): void {
    const delayMs = 1 + this.random() * 4;
    this.scheduler.after(delayMs, () => {
      if (this.leader === null || (from !== null && this.isolated.has(from))) {
        this.scheduler.after(
          500 + this.random() * 2_000,
          () => answer(new ErrorReply("CLUSTERDOWN There is no leader")),
        );
        return;
      }
      const isUnknown = isWrite(args) && this.random() < this.unknownChance;
      if (!isUnknown) return answer(this.execute(args));
      const fate = this.below(3);
      if (fate === 0) this.execute(args);
      if (fate === 1) this.scheduler.after(this.random() * 4_000, () => this.execute(args));
      if (this.below(3) === 0) this.loseLeader();
      this.note(`unknown outcome (${fate}) of ${args.slice(0, 4).join(" ")}`);
      answer(new ErrorReply("UNKNOWN The leader was lost"));
    });
  }

  execute(args: Arguments): Reply {
    const nowMs = Math.floor(this.nowMs);
    this.machine.advanceTime(nowMs);
    try {
      const reply = this.machine.execute(checkRequest(args), args, nowMs);
      if (isWrite(args)) this.note(`${args.join(" ").slice(0, 120)} → ${brief(reply)}`);
      return reply;
    } catch (error) {
      return errorReplyOf(error);
    }
  }
}

/** Lets all promises run that are settled. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function isWrite(args: Arguments): boolean {
  return checkRequest(args).kind === "write";
}

function brief(reply: Reply): string {
  return reply instanceof ErrorReply ? reply.text : JSON.stringify(reply)?.slice(0, 60) ?? "";
}
