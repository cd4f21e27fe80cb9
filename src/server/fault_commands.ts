import { wrongNumberOfArguments } from "../commands/command_error.ts";
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
import { ErrorReply, OK, type Reply } from "../resp/reply.ts";

/** Longest duration of a fault in ms, a day. Without a duration it lasts until it is healed. */
export const FAULT_DURATION_MS_MAX = 24 * 60 * 60 * 1000;
/** Longest delay of a message or a sync in ms. */
export const FAULT_DELAY_MS_MAX = 60_000;

const DIRECTIONS: ReadonlyMap<string, Direction> = new Map<string, Direction>([
  ["IN", "in"],
  ["OUT", "out"],
  ["BOTH", "both"],
]);

/** A fault that a client requests. */
export interface FaultRequest {
  readonly fault: Fault;
  /** `null`: until it is healed. */
  readonly durationMs: number | null;
}

/**
 * Reads `FAULT kind …`.
 *
 * @param args the whole request
 * @param others the ids of this node's peers, the only ones that may be named
 */
export function parseFault(
  args: readonly string[],
  others: readonly NodeId[],
): FaultRequest | ErrorReply {
  const kind = faultKind(args[1] ?? "");
  if (kind === null) return unknownFault(args[1] ?? "");
  const words = new Words(kind, args.slice(2), others);
  const fault = words.fault();
  const durationMs = words.duration();
  const error = words.error ?? words.rest();
  return error ?? { fault, durationMs };
}

/** The kind of that name in any case; `null` when there is none. */
export function faultKind(name: string): FaultKind | null {
  return FAULT_KINDS.find((kind) => kind === name.toLowerCase()) ?? null;
}

export function unknownFault(name: string): ErrorReply {
  return new ErrorReply(
    `ERR unknown fault '${printable(name)}': expected ${
      FAULT_KINDS.join(", ")
    }, crash, heal or list`,
  );
}

/** Parses the words one by one, and keeps the first error. */
class Words {
  readonly #kind: FaultKind;
  readonly #words: string[];
  readonly #others: readonly NodeId[];
  error: ErrorReply | null = null;

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

  /** An error if words are left; `null` otherwise. */
  rest(): ErrorReply | null {
    const [word] = this.#words;
    return word === undefined
      ? null
      : new ErrorReply(`ERR FAULT ${this.#kind} does not understand '${printable(word)}'`);
  }

  #number(what: string, min: number, max: number): number {
    const word = this.#words.shift();
    if (word === undefined) {
      this.error ??= wrongNumberOfArguments(`fault|${this.#kind}`).reply;
      return min;
    }
    const value = /^[0-9]{1,9}$/.test(word) ? Number(word) : NaN;
    if (value >= min && value <= max) return value;
    this.error ??= new ErrorReply(
      `ERR ${what} is a whole number from ${min} to ${max}: current value is '${printable(word)}'`,
    );
    return min;
  }

  /** Parses `FROM id,…`; `null` when it is absent. */
  #peers(): FaultPeers {
    if (this.#words[0]?.toUpperCase() !== "FROM") return null;
    const [, list] = this.#words.splice(0, 2);
    const ids = [...new Set((list ?? "").split(","))].sort();
    const unknown = ids.find((id) => !this.#others.includes(id));
    if (unknown !== undefined) {
      this.error ??= new ErrorReply(
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

const NOT_ALLOWED = new ErrorReply(
  "ERR FAULT is off: this node was not started with --allow-faults",
);
const TOO_MANY = new ErrorReply(`ERR there are ${FAULTS_MAX} faults already: FAULT HEAL ends them`);

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

/** Answers `FAULT …`. @param tools `null`: faults are not allowed */
export function faultCommand(
  tools: FaultTools | null,
  node: PeerList,
  args: readonly string[],
): Reply {
  const subcommand = args[1]?.toLowerCase() ?? "";
  if (tools === null) return NOT_ALLOWED;
  const { faults } = tools;
  switch (subcommand) {
    case "list":
      return faults.texts();
    case "crash":
      tools.crash();
      return OK;
    case "heal":
      return heal(faults, args);
    default:
      return begin(faults, node, args);
  }
}

function heal(faults: Faults, args: readonly string[]): Reply {
  if (args.length > 3) throw wrongNumberOfArguments("fault|heal");
  if (args[2] === undefined) return faults.heal();
  const kind = faultKind(args[2]);
  return kind === null ? unknownFault(args[2]) : faults.heal(kind);
}

function begin(faults: Faults, node: PeerList, args: readonly string[]): Reply {
  const { id, members } = node.report();
  const others = members.map((member) => member.id).filter((member) => member !== id);
  const request = parseFault(args, others);
  if (request instanceof ErrorReply) return request;
  return faults.begin(request.fault, request.durationMs) ? OK : TOO_MANY;
}
