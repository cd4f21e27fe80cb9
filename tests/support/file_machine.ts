import { assert } from "@std/assert";
import { Slices } from "../../src/commands/command.ts";
import { StateMachine } from "../../src/commands/state_machine.ts";
import { checkRequest } from "../../src/commands/table.ts";
import { ErrorReply, MapReply, type Reply, SimpleString } from "../../src/resp/reply.ts";
import { replyOf } from "./reply_of.ts";

/** The log's time at the start, in milliseconds of the Unix epoch. */
export const FILE_TIME_MS = 1_700_000_000_000;

/** A state machine for tests of `FILE …`, with replies as plain values. */
export class FileMachine {
  readonly machine: StateMachine;
  timeMs: number = FILE_TIME_MS;

  constructor(machine = new StateMachine()) {
    this.machine = machine;
  }

  /** Executes `FILE …`. A map is an object, an error its text after a dash. */
  file(...args: readonly (string | number)[]): unknown {
    return this.run("FILE", ...args.map(String));
  }

  run(...args: readonly string[]): unknown {
    this.machine.advanceTime(this.timeMs);
    return plain(replyOf(() => this.machine.execute(checkRequest(args), args, this.timeMs)));
  }

  /** As `file`, in steps. `between` is called after each step but the last. */
  inSteps(between: () => void, ...args: readonly string[]): { reply: unknown; steps: number } {
    const all = ["FILE", ...args];
    const begun = this.machine.begin(checkRequest(all), all, this.timeMs);
    if (!(begun instanceof Slices)) return { reply: plain(begun), steps: 1 };
    for (let steps = 2;; steps++) {
      between();
      const reply = begun.next();
      if (reply !== undefined) return { reply: plain(reply), steps };
    }
  }

  /** Announces nodes of equal weight. */
  addNodes(...ids: readonly string[]): void {
    for (const id of ids) {
      assert(this.file("NODE", id, `${id}:7000`, 1, 1_000_000, 500) === "OK", id);
    }
  }

  /** `FILE COMMIT` of a new content of 10 bytes. @returns the version, if it was committed */
  commit(
    name: string,
    blob: string,
    holders: string,
    { copies = 3, size = 10, options = [] as readonly (string | number)[] } = {},
  ): unknown {
    const sha256 = blob + blob;
    const reply = this.file("COMMIT", name, blob, size, sha256, copies, holders, 0, ...options);
    return Array.isArray(reply) ? reply[0] : reply;
  }

  /** Whether the machine's snapshot restores the same, and what it restores. */
  restored(): FileMachine {
    const machine = new StateMachine();
    const loader = machine.newLoader();
    for (const chunk of chunksOf(this.machine)) loader.push(chunk);
    machine.restore(loader, this.machine.version);
    const copy = new FileMachine(machine);
    copy.timeMs = this.timeMs;
    return copy;
  }
}

export function chunksOf(machine: StateMachine, bytesMax = 4_096): Uint8Array[] {
  const snapshot = machine.beginSnapshot();
  const chunks: Uint8Array[] = [];
  for (let chunk = snapshot.next(bytesMax); chunk !== null; chunk = snapshot.next(bytesMax)) {
    chunks.push(chunk);
  }
  return chunks;
}

/** The id of a blob, from a number. */
export function blobId(number: number): string {
  return number.toString(16).padStart(32, "0");
}

function plain(reply: Reply): unknown {
  if (reply instanceof ErrorReply) return `-${reply.text}`;
  if (reply instanceof SimpleString) return reply.text;
  if (reply instanceof MapReply) {
    return Object.fromEntries(reply.pairs.map(([key, value]) => [plain(key), plain(value)]));
  }
  return Array.isArray(reply) ? reply.map(plain) : reply;
}
