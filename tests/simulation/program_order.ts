import type { Operation } from "../linearizability/operation.ts";
import { type Transition, transitionOf } from "../linearizability/register_model.ts";

/** Maximum number of possible states; with more, too much is unknown to judge the rest. */
const STATES_MAX = 5_000;
/** How often the writes of unknown outcome may be applied at one place, each time in order. */
const ROUNDS_MAX = 3;

type State = string | null;

/**
 * Judges a key that only one connection writes: effects and answers must come in the order of
 * sending. An operation of unknown outcome happens at its place in that order, or later (it may
 * wait in the log of a leader that is cut off, or in the kernel of an unreachable machine), even
 * after later ones of unknown outcome, or never. The clients that read the key at the end do so at
 * the same time, while the last of these may still happen: each is judged by itself.
 *
 * @param operations of one key, in the order of sending; the first is its owner's
 * @returns what is wrong, or `null`
 */
export function checkProgramOrder(operations: readonly Operation[]): string | null {
  const owner = operations[0]?.client;
  const readers = new Set(operations.map(({ client }) => client));
  readers.delete(owner);
  if (readers.size === 0) return check(operations);
  for (const reader of readers) {
    const wrong = check(operations.filter(({ client }) => client === owner || client === reader));
    if (wrong !== null) return wrong;
  }
  return null;
}

/**
 * As `checkProgramOrder`, for a connection through a proxy, which sends each write under a serial:
 * a write of unknown outcome happens at most once, and not after a later write was acknowledged.
 *
 * @param operations of one key and one connection, in the order of sending
 */
export function checkStampedOrder(operations: readonly Operation[]): string | null {
  let states: Stamped[] = [{ value: null, executed: 0 }];
  let late: Transition[] = [];
  for (const [at, { key, args, outcome }] of operations.entries()) {
    const transition = transitionOf(args);
    if (outcome.kind === "unknown") {
      late.push(transition);
      continue;
    }
    const isRead = args[0] === "GET";
    const next = new Map<string, Stamped>();
    for (const { value, executed } of withLate(states, late)) {
      const step = transition(value);
      if (step.reply !== outcome.reply) continue;
      const state = { value: step.state, executed: isRead ? executed : 0 };
      next.set(JSON.stringify(state), state);
    }
    if (next.size === 0) return lost(key, operations, at, states.map(({ value }) => value));
    if (next.size > STATES_MAX) return null;
    states = [...next.values()];
    if (!isRead) late = [];
  }
  return null;
}

/** A value, and the number of late writes that are executed or can no longer be. */
interface Stamped {
  readonly value: State;
  readonly executed: number;
}

/** Any of the late writes may have been executed by now, in the order of sending. */
function withLate(states: readonly Stamped[], late: readonly Transition[]): Stamped[] {
  const possible = [...states];
  for (const [at, transition] of late.entries()) {
    for (const { value, executed } of [...possible]) {
      if (executed <= at) possible.push({ value: transition(value).state, executed: at + 1 });
    }
  }
  return possible;
}

function check(operations: readonly Operation[]): string | null {
  let wrong: string | null = null;
  for (let rounds = 1; rounds <= ROUNDS_MAX; rounds++) {
    wrong = checkWith(rounds, operations);
    if (wrong === null) return null;
  }
  return wrong;
}

function checkWith(rounds: number, operations: readonly Operation[]): string | null {
  let states = new Set<State>([null]);
  const late: Transition[] = [];
  for (const [at, { key, args, outcome }] of operations.entries()) {
    const transition = transitionOf(args);
    if (outcome.kind === "unknown") {
      late.push(transition);
      continue;
    }
    let possible = states;
    for (let round = 0; round < rounds && late.length > 0; round++) {
      possible = afterSome(late, possible);
      if (possible.size > STATES_MAX) return null;
    }
    const next = new Set<State>();
    for (const state of possible) {
      const step = transition(state);
      if (step.reply === outcome.reply) next.add(step.state);
    }
    if (next.size === 0) return lost(key, operations, at, states);
    states = next;
  }
  return null;
}

/** The states to which any of these may have led, applied in order. */
function afterSome(late: readonly Transition[], states: ReadonlySet<State>): Set<State> {
  const possible = new Set(states);
  for (const transition of late) {
    for (const state of [...possible]) possible.add(transition(state).state);
    if (possible.size > STATES_MAX) break;
  }
  return possible;
}

function lost(
  key: string,
  operations: readonly Operation[],
  at: number,
  states: Iterable<State>,
): string {
  const before = operations.slice(Math.max(0, at - 20), at + 1).map(describe);
  return `on ${key} order is lost:\n  ${before.join("\n  ")}\n` +
    `but before that it held ${[...states].slice(0, 5).join(" or ")}`;
}

function describe({ client, args, outcome }: Operation): string {
  return `${client}: ${args.join(" ")} → ${outcome.kind === "ok" ? outcome.reply : "unknown"}`;
}
