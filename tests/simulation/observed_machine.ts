import type { Random } from "../../src/base/random.ts";
import type { VersionRange } from "../../src/base/version_range.ts";
import { type Command, Slices } from "../../src/commands/command.ts";
import { MACHINE_RULES, StateMachine } from "../../src/commands/state_machine.ts";
import type { LogEntry } from "../../src/node/log/entry.ts";
import { encodeReply } from "../../src/resp/encode.ts";
import type { Reply } from "../../src/resp/reply.ts";
import type { StateLoader } from "../../src/store/state_loader.ts";
import type { StateSnapshot } from "../../src/store/state_snapshot.ts";
import { DeadlineModel } from "./deadline_model.ts";
import { OnceModel } from "./once_model.ts";
import type { SeenLog } from "./seen_log.ts";
import { hashText } from "./trace.ts";

/** All that is known of a state: its content, and the commands that led to it. It never changes. */
export interface KnownState {
  /** The last entry in it; no-ops may follow. */
  readonly index: number;
  readonly hash: number;
  readonly timeMs: number;
  readonly deadlines: DeadlineModel;
  readonly once: OnceModel;
  /** The whole content, as a snapshot has it. */
  readonly text: string;
}

/** The rules of two versions. */
const RULES = [...MACHINE_RULES, ...MACHINE_RULES];

export interface MachineEvents {
  /** The node's log, from which the machine learns which entry it is given. */
  log(): SeenLog;
  /** Called before the entry is executed. */
  applying(index: number): void;
  /** Called for a write that was executed, and not only answered again. */
  executed(args: readonly string[]): void;
  /** @param stateHash a hash of all commands so far, their replies, and what is stored now */
  applied(index: number, stateHash: number): void;
  /** A snapshot replaces the state. @returns the state when the snapshot was taken */
  restored(): KnownState;
  fail(what: string): never;
}

/** A state machine that checks that it gets the entries of the log, each once and in order. */
export class ObservedMachine extends StateMachine {
  readonly #events: MachineEvents;
  #index = 0;
  #hash = 0;
  #entry: LogEntry | null = null;
  #executed = 0;
  /** The log's time according to the entries, whatever the keyspace uses. */
  #entryTimeMs = 0;
  #deadlines = new DeadlineModel();
  #once = new OnceModel();
  #isViewed = false;

  constructor(versions: VersionRange, events: MachineEvents) {
    super({ version: 0, versions, rules: RULES });
    this.#events = events;
  }

  /** Everything up to this entry is executed, or being executed; no-ops at the end do not count. */
  get index(): number {
    return this.#index;
  }

  /** A snapshot is being taken: the state cannot be read now. */
  get isViewed(): boolean {
    return this.#isViewed;
  }

  override advanceTime(timeMs: number): void {
    this.finish();
    const before = this.timeMs;
    const log = this.#events.log();
    let next = log.known(this.#index + 1);
    while (next !== undefined && next.data === null) next = log.known(++this.#index + 1);
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

  /** All nodes must execute an entry by the same version. */
  override advanceVersion(version: number): void {
    super.advanceVersion(version);
    this.#hash = hashText(this.#hash, `version ${this.version}`);
  }

  override execute(
    command: Command,
    args: readonly string[],
    nowMs: number,
    random?: Random,
  ): Reply {
    const reply = super.execute(command, args, nowMs, random);
    this.#noteExecuted(command, args, reply);
    return reply;
  }

  override begin(
    command: Command,
    args: readonly string[],
    nowMs: number,
    random?: Random,
  ): Reply | Slices {
    const begun = super.begin(command, args, nowMs, random);
    if (!(begun instanceof Slices) || command.kind !== "write") return begun;
    return new Slices(this.#observed(command, args, begun));
  }

  *#observed(command: Command, args: readonly string[], slices: Slices): Generator<void, Reply> {
    const reply = yield* slices.steps();
    this.#noteExecuted(command, args, reply);
    return reply;
  }

  #noteExecuted(command: Command, args: readonly string[], reply: Reply): void {
    if (command.kind !== "write") {
      return this.#judge(this.#deadlines.executed(args, reply, this.#entryTimeMs));
    }
    const due = this.#entry?.data?.commands[this.#executed++];
    if (due === undefined || due.join("\0") !== args.join("\0")) {
      this.#events.fail(`${args.join(" ")} is executed where ${due?.join(" ")} is due`);
    }
    const text = encodeReply(reply, 3);
    this.#hash = hashText(this.#hash, `${args.join(" ")}>${text}`);
    const answered = this.#once.answered(args, text);
    if ("wrong" in answered) this.#events.fail(answered.wrong);
    const { executed } = answered;
    if (executed !== null) {
      this.#events.executed(executed);
      this.#judge(this.#deadlines.executed(executed, reply, this.#entryTimeMs));
    }
  }

  override beginSnapshot(): StateSnapshot {
    this.#isViewed = true;
    const view = super.beginSnapshot();
    const end = view.end.bind(view);
    view.end = () => {
      this.#isViewed = false;
      end();
    };
    return view;
  }

  override restore(loader: StateLoader, version: number): void {
    this.noteTurn();
    this.#entry = null; // a part of it may have been executed, which nobody will see
    super.restore(loader, version);
    const known = this.#events.restored();
    this.#index = known.index;
    this.#hash = known.hash;
    this.#entryTimeMs = known.timeMs;
    this.#deadlines = known.deadlines.copy();
    this.#once = known.once.copy();
    if (this.dump() !== known.text) {
      this.#events.fail(
        `the snapshot gives another state than it was taken of:\n${this.dump()}\n--\n${known.text}`,
      );
    }
  }

  /** All that is known of the current state. */
  known(): KnownState {
    this.finish();
    return {
      index: this.#index,
      hash: this.#hash,
      timeMs: this.#entryTimeMs,
      deadlines: this.#deadlines.copy(),
      once: this.#once.copy(),
      text: this.dump(),
    };
  }

  /** A turn ends, perhaps in the middle of an entry. */
  noteTurn(): void {
    if (this.#executed === (this.#entry?.data?.commands.length ?? 0)) this.finish();
  }

  /** All commands of the entry must have been executed by now. */
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

  #judge(wrong: string | null): void {
    if (wrong !== null) this.#events.fail(wrong);
  }

  /** A few numbers about the content: comparing all of it each time would take too long. */
  #storedText(): string {
    const { storedSize, volatileSize } = this.keyspace;
    const { openedCount, size } = this.sessions;
    return `${storedSize} ${volatileSize} ${openedCount} ${size} ${this.usedBytes} ` +
      `${this.memoryBytesMax} ${this.nextDeadlineMs()}`;
  }

  /**
   * The whole state as text, in the order of positions. Not available while a snapshot is being
   * taken.
   */
  dump(): string {
    const view = super.beginSnapshot();
    const chunks: string[] = [];
    const decoder = new TextDecoder();
    for (let chunk = view.next(1 << 16); chunk !== null; chunk = view.next(1 << 16)) {
      chunks.push(decoder.decode(chunk));
    }
    return chunks.join("\n");
  }
}
