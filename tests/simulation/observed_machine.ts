import type { Random } from "../../src/base/random.ts";
import type { Command } from "../../src/commands/command.ts";
import { StateMachine } from "../../src/commands/state_machine.ts";
import type { LogEntry } from "../../src/node/entry.ts";
import { encodeReply } from "../../src/resp/encode.ts";
import type { Reply } from "../../src/resp/reply.ts";
import { DeadlineModel } from "./deadline_model.ts";
import { hashText } from "./trace.ts";

export interface MachineEvents {
  /** The node's log, by which the machine finds out which entry it is given. */
  log(): readonly LogEntry[];
  /** Before the entry is executed. */
  applying(index: number): void;
  /** @param stateHash of all that was executed so far, with the replies, and of what is stored now */
  applied(index: number, stateHash: number): void;
  fail(what: string): never;
}

/** A state machine that checks that it is given what the log holds, each entry once and in order. */
export class ObservedMachine extends StateMachine {
  readonly #events: MachineEvents;
  #index = 0;
  #hash = 0;
  #entry: LogEntry | null = null;
  #executed = 0;
  /** The log's time as the entries tell it, whatever the keyspace takes it for. */
  #entryTimeMs = 0;
  readonly #deadlines = new DeadlineModel();

  constructor(events: MachineEvents) {
    super();
    this.#events = events;
  }

  /** Everything up to this entry is executed, or being executed; no-ops at the end do not count. */
  get index(): number {
    return this.#index;
  }

  override advanceTime(timeMs: number): void {
    this.finish();
    const before = this.timeMs;
    const log = this.#events.log();
    let next = log[this.#index];
    while (next !== undefined && next.data === null) next = log[++this.#index];
    this.#index++;
    if (next?.data?.timeMs !== timeMs) {
      this.#events.fail(`time ${timeMs} is applied where entry ${this.#index} is due`);
    }
    this.#entry = next;
    this.#executed = 0;
    this.#events.applying(this.#index);
    this.#hash = hashText(this.#hash, `@${timeMs}`);
    this.#entryTimeMs = Math.max(this.#entryTimeMs, timeMs);
    super.advanceTime(timeMs);
    if (this.timeMs < before) this.#events.fail(`the time goes back from ${before}`);
  }

  override execute(
    command: Command,
    args: readonly string[],
    nowMs: number,
    random?: Random,
  ): Reply {
    const request = this.#isRepeated(command, args) ? [] : args.slice(command.inner ?? 0);
    const reply = super.execute(command, args, nowMs, random);
    const wrong = this.#deadlines.executed(request, reply, this.#entryTimeMs);
    if (wrong !== null) this.#events.fail(wrong);
    if (command.kind !== "write") return reply;
    const due = this.#entry?.data?.commands[this.#executed++];
    if (due === undefined || due.join("\0") !== args.join("\0")) {
      this.#events.fail(`${args.join(" ")} is executed where ${due?.join(" ")} is due`);
    }
    this.#hash = hashText(this.#hash, `${args.join(" ")}>${encodeReply(reply, 3)}`);
    return reply;
  }

  /** Whether nothing is executed for it: a copy of a request that has been executed already. */
  #isRepeated({ name }: Command, [, id = "", serial = ""]: readonly string[]): boolean {
    if (name !== "once") return false;
    const session = this.sessions.find(id);
    const number = parseInt(serial);
    return session === undefined || number <= session.floor || session.replies.has(number);
  }

  /** All of the entry must have been executed by now. */
  finish(): void {
    const entry = this.#entry;
    if (entry === null) return;
    this.#entry = null;
    const due = entry.data?.commands.length ?? 0;
    if (this.#executed !== due) {
      this.#events.fail(`entry ${entry.index}: ${this.#executed} of ${due} commands were executed`);
    }
    this.#events.applied(entry.index, hashText(this.#hash, this.#storedText()));
  }

  /** What the keyspace holds, in a few numbers: to compare all of it each time would take too long. */
  #storedText(): string {
    const { storedSize, volatileSize, usedBytes } = this.keyspace;
    return `${storedSize} ${volatileSize} ${usedBytes} ${this.nextDeadlineMs()}`;
  }

  /** The whole keyspace as text, in the order of its positions. */
  dump(): string {
    const { slots } = this.keyspace.scan(0, Infinity);
    const lines = slots.map(({ key, value, deadlineMs }) => `${key}=${value} until ${deadlineMs}`);
    return `time ${this.timeMs}\n${lines.join("\n")}`;
  }
}
