import { Growth } from "./growth.ts";
import type { Operation, PlainReply } from "./operation.ts";
import {
  changedNothing,
  isRead,
  isReadOrOverwrite,
  type Transition,
  transitionOf,
} from "./register_model.ts";

/** An operation with a known outcome. `id` numbers them in order of invocation. */
export interface KnownCall {
  readonly id: number;
  readonly operation: Operation;
  readonly transition: Transition;
  readonly reply: PlainReply;
  /** The reply shows that the call left the key unchanged. */
  readonly changedNothing: boolean;
}

/**
 * Operations with the same request and an unknown outcome. They have no end, so an earlier one
 * explains whatever a later one does: they are used up in the order of their invocation.
 */
export interface UnknownCalls {
  readonly transition: Transition;
  readonly operations: readonly Operation[];
  /** The start of each of them among the events. */
  readonly positions: readonly number[];
}

/** A call or a return in the list of those that have no place in the order yet. */
export interface Event {
  readonly call: KnownCall;
  readonly position: number;
  /** The return that belongs to a call. */
  readonly end: Event | null;
  previous: Event;
  next: Event | null;
}

/** The history of one key. */
export interface KeyHistory {
  /** The element before the first event. */
  readonly head: Event;
  readonly knownCount: number;
  readonly unknown: readonly UnknownCalls[];
  /** Present for a key that only grows. */
  readonly growth: Growth | null;
}

interface Moment {
  readonly ms: number;
  readonly isReturn: boolean;
  readonly operation: Operation;
}

/** Sorts the events of one key. Operations with equal times count as concurrent. */
export function keyHistory(operations: readonly Operation[]): KeyHistory {
  const moments = momentsOf(operations);
  const unknown = new Map<string, { operations: Operation[]; positions: number[] }>();
  const calls = new Map<Operation, KnownCall>();
  const ends = new Map<Operation, number>();
  moments.forEach(({ isReturn, operation }, position) => {
    const { outcome, args } = operation;
    if (isReturn) ends.set(operation, position);
    else if (outcome.kind === "ok") {
      const transition = transitionOf(args);
      const { reply } = outcome;
      calls.set(operation, {
        ...{ id: calls.size, operation, transition, reply },
        changedNothing: changedNothing(args, reply),
      });
    } else {
      const name = JSON.stringify(args);
      const same = unknown.get(name) ?? { operations: [], positions: [] };
      same.operations.push(operation);
      same.positions.push(position);
      unknown.set(name, same);
    }
  });
  return {
    head: linked(moments, calls, ends),
    knownCount: calls.size,
    unknown: [...unknown].map(([name, same]) => ({
      transition: transitionOf(JSON.parse(name)),
      ...same,
    })),
    growth: Growth.of(operations),
  };
}

function momentsOf(operations: readonly Operation[]): Moment[] {
  const moments: Moment[] = [];
  const canMatter = whetherItMatters(operations);
  for (const operation of operations) {
    const { invokedMs, completedMs, outcome, args } = operation;
    if (outcome.kind === "unknown" && !canMatter(args)) continue;
    moments.push({ ms: invokedMs, isReturn: false, operation });
    if (outcome.kind === "unknown") continue;
    if (completedMs === null || completedMs < invokedMs) {
      throw new RangeError(`Cannot check an answered operation: its end is ${completedMs}`);
    }
    moments.push({ ms: completedMs, isReturn: true, operation });
  }
  return moments.sort((a, b) => a.ms - b.ms || Number(a.isReturn) - Number(b.isReturn));
}

function linked(
  moments: readonly Moment[],
  calls: ReadonlyMap<Operation, KnownCall>,
  ends: ReadonlyMap<Operation, number>,
): Event {
  const returns = new Map<Operation, Event>();
  const head = { position: -1, end: null, next: null } as unknown as Event;
  let last = head;
  const events: Event[] = [];
  moments.forEach(({ isReturn, operation }, position) => {
    const call = calls.get(operation);
    if (call === undefined) return;
    if (isReturn) {
      const event = returns.get(operation);
      if (event !== undefined) events.push(event);
      return;
    }
    const at = ends.get(operation) ?? -1;
    const end: Event = { call, position: at, end: null, previous: head, next: null };
    returns.set(operation, end);
    events.push({ call, position, end, previous: head, next: null });
  });
  for (const event of events) {
    event.previous = last;
    last.next = event;
    last = event;
  }
  return head;
}

/**
 * Whether a request of unknown outcome can help to explain anything. A read cannot, nor can a value
 * that nobody read, if the key is only read and overwritten.
 */
function whetherItMatters(
  operations: readonly Operation[],
): (args: readonly string[]) => boolean {
  if (!operations.every(({ args }) => isReadOrOverwrite(args))) return (args) => !isRead(args);
  const read = new Set<unknown>();
  for (const { outcome } of operations) if (outcome.kind === "ok") read.add(outcome.reply);
  return (args) => !isRead(args) && read.has(args[1]);
}
