import { CommandError, wrongNumberOfArguments } from "../commands/command_error.ts";
import type { FaultServer } from "../commands/local.ts";
import {
  type Direction,
  type Fault,
  FAULT_KINDS,
  type FaultKind,
  type FaultPeers,
  type Faults,
  FAULTS_MAX,
} from "../faults/faults.ts";
import type { NodeId } from "../raft/types.ts";
import { OK, type Reply } from "../resp/reply.ts";

/** Longest duration of a fault in ms, a day. Without a duration it lasts until it is healed. */
const FAULT_DURATION_MS_MAX = 24 * 60 * 60 * 1000;
/** Longest delay of a message or a sync in ms. */
const FAULT_DELAY_MS_MAX = 60_000;

const DIRECTIONS: ReadonlyMap<string, Direction> = new Map<string, Direction>([
  ["IN", "in"],
  ["OUT", "out"],
  ["BOTH", "both"],
]);

/** A fault that a client requests. */
export interface FaultRequest {
  readonly fault: Fault;
  /** `null`: the fault lasts until it is healed. */
  readonly durationMs: number | null;
}

/**
 * Reads what follows the kind in a `FAULT`.
 *
 * @param others the ids of this node's peers, the only ones that may be named
 * @throws {CommandError} when the words are wrong
 */
export function parseFault(
  kind: FaultKind,
  words: readonly string[],
  others: readonly NodeId[],
): FaultRequest {
  const parser = new Words(kind, words, others);
  const fault = parser.fault();
  const durationMs = parser.duration();
  parser.end();
  return { fault, durationMs };
}

/** The kind of that name in any case. @throws {CommandError} when there is none */
function faultKind(name: string): FaultKind {
  const kind = FAULT_KINDS.find((one) => one === name.toLowerCase());
  if (kind === undefined) {
    throw new CommandError(
      `ERR unknown fault '${printable(name)}': expected ${FAULT_KINDS.join(", ")}`,
    );
  }
  return kind;
}

/** Parses the words one by one. */
class Words {
  readonly #kind: FaultKind;
  readonly #words: string[];
  readonly #others: readonly NodeId[];

  constructor(kind: FaultKind, words: readonly string[], others: readonly NodeId[]) {
    this.#kind = kind;
    this.#words = [...words];
    this.#others = others;
  }

  fault(): Fault {
    const kind = this.#kind;
    switch (kind) {
      case "pause":
        return { kind };
      case "isolate":
        return { kind, peers: this.#peers(), direction: this.#direction() };
      case "delay":
        return {
          kind,
          delayMs: this.#number("the delay", 1, FAULT_DELAY_MS_MAX),
          peers: this.#peers(),
        };
      case "drop":
        return { kind, percent: this.#number("the percentage", 1, 100), peers: this.#peers() };
      case "slow-disk":
        return { kind, delayMs: this.#number("the delay", 1, FAULT_DELAY_MS_MAX) };
    }
  }

  duration(): number | null {
    if (this.#words.length === 0) return null;
    return this.#number("the duration", 1, FAULT_DURATION_MS_MAX);
  }

  /** @throws {CommandError} when words are left */
  end(): void {
    const [word] = this.#words;
    if (word === undefined) return;
    throw new CommandError(`ERR FAULT ${this.#kind} does not understand '${printable(word)}'`);
  }

  #number(what: string, min: number, max: number): number {
    const word = this.#words.shift();
    if (word === undefined) throw wrongNumberOfArguments(`fault|${this.#kind}`);
    const value = /^[0-9]{1,9}$/.test(word) ? Number(word) : NaN;
    if (value >= min && value <= max) return value;
    throw new CommandError(
      `ERR ${what} is a whole number from ${min} to ${max}: current value is '${printable(word)}'`,
    );
  }

  /** Parses `FROM id,…`; `null` when it is absent. */
  #peers(): FaultPeers {
    if (this.#words[0]?.toUpperCase() !== "FROM") return null;
    const [, list] = this.#words.splice(0, 2);
    const ids = [...new Set((list ?? "").split(","))].sort();
    const unknown = ids.find((id) => !this.#others.includes(id));
    if (unknown !== undefined) {
      throw new CommandError(
        `ERR Cannot find peer '${printable(unknown)}': the peers are ${
          this.#others.join(", ") || "none"
        }`,
      );
    }
    return ids;
  }

  #direction(): Direction {
    const direction = DIRECTIONS.get(this.#words[0]?.toUpperCase() ?? "");
    if (direction !== undefined) this.#words.shift();
    return direction ?? "both";
  }
}

/** The beginning of a client's word, made printable for an error. */
function printable(word: string): string {
  return word.slice(0, 64).replace(/[^\x20-\x7e]/g, "?");
}

const NOT_ALLOWED = new CommandError(
  "ERR FAULT is off: this node was not started with --allow-faults",
);
const TOO_MANY = new CommandError(
  `ERR there are ${FAULTS_MAX} faults already: FAULT HEAL ends them`,
);

/** What a node needs to fail on purpose. */
export interface FaultTools {
  readonly faults: Faults;
  /** Ends the process at once, without any cleanup. */
  crash(): void;
}

/** The node, as far as it reports its peers. */
export interface PeerList {
  report(): { readonly id: NodeId; readonly members: readonly { readonly id: NodeId }[] };
}

/** `FAULT …` on a node. */
export class FaultCommands implements FaultServer {
  readonly #allowedTools: FaultTools | null;
  readonly #node: PeerList;

  /** @param tools `null`: faults are not allowed */
  constructor(tools: FaultTools | null, node: PeerList) {
    this.#allowedTools = tools;
    this.#node = node;
  }

  list(): Reply {
    return this.#tools().faults.texts();
  }

  crash(): Reply {
    this.#tools().crash();
    return OK;
  }

  heal(kind: string | undefined): Reply {
    const { faults } = this.#tools();
    return kind === undefined ? faults.heal() : faults.heal(faultKind(kind));
  }

  begin(kind: FaultKind, words: readonly string[]): Reply {
    const { faults } = this.#tools();
    const { id, members } = this.#node.report();
    const others = members.map((member) => member.id).filter((member) => member !== id);
    const { fault, durationMs } = parseFault(kind, words, others);
    if (!faults.begin(fault, durationMs)) throw TOO_MANY;
    return OK;
  }

  #tools(): FaultTools {
    if (this.#allowedTools === null) throw NOT_ALLOWED;
    return this.#allowedTools;
  }
}
