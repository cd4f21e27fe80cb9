import type { Event, KeyHistory, KnownCall } from "./key_history.ts";
import type { Operation } from "./operation.ts";
import type { State, Step } from "./register_model.ts";

/** How far a search came that found no order. */
export interface DeadEnd {
  /** The longest order found, and the state after each of its operations. */
  readonly order: readonly { readonly operation: Operation; readonly after: State }[];
  readonly state: State;
  /** One of these had to come next, and none can. */
  readonly stuck: readonly Operation[];
  /** The newest operations of unknown outcome that are not in the order. */
  readonly unused: readonly Operation[];
}

export type SearchResult =
  | { readonly kind: "found" }
  | { readonly kind: "none"; readonly deadEnd: DeadEnd }
  | { readonly kind: "out of time" };

/** One step of the order that is being tried. */
interface Choice {
  /** The call, or the index of the class of unknown calls. */
  readonly what: Event | number;
  readonly operation: Operation;
  readonly stateBefore: State;
  readonly pendingBefore: State | undefined;
  readonly after: State;
  /** No other step needs to be tried instead. */
  readonly isForced: boolean;
}

/** The search gives up beyond this number of memoized configurations. */
const SEEN_MAX = 3_000_000;
const STEPS_BETWEEN_CLOCKS = 1_024;

/**
 * Looks for an order of one key's operations that keeps real time and explains each reply: the
 * search of Wing and Gong with the memory of Lowe ("Testing for linearizability", 2017), over a
 * linked list of calls and returns. Beyond these it uses that
 * - a call that, by its reply, changed nothing may come as soon as the reply fits, without a choice;
 * - an unknown call is worth trying only directly before a call whose outcome it changes.
 */
export class Search {
  readonly #history: KeyHistory;
  readonly #deadlineMs: number;
  readonly #choices: Choice[] = [];
  readonly #seen = new Set<string>();
  readonly #stateIds = new Map<State | number, number>();
  readonly #used: number[];
  #state: State = null;
  /** The state before the last step, if that was an unknown call. */
  #pending: State | undefined = undefined;
  #remaining: number;
  #known: Event | null = null;
  #unknownAt = 0;
  #deadEnd: DeadEnd = { order: [], state: null, stuck: [], unused: [] };
  #deadEndKnown = -1;

  /** @param deadlineMs on the clock of `performance.now()` */
  constructor(history: KeyHistory, deadlineMs: number) {
    this.#history = history;
    this.#deadlineMs = deadlineMs;
    this.#remaining = history.knownCount;
    this.#used = history.unknown.map(() => 0);
  }

  run(): SearchResult {
    this.#startAt(this.#history.head.next, 0);
    for (let steps = 1; this.#remaining > 0; steps++) {
      if (steps % STEPS_BETWEEN_CLOCKS === 0 && this.#isOver()) return { kind: "out of time" };
      if (this.#tryKnown() || this.#tryUnknown()) continue;
      this.#noteDeadEnd();
      if (!this.#goBack()) return { kind: "none", deadEnd: this.#deadEnd };
    }
    return { kind: "found" };
  }

  #isOver(): boolean {
    return performance.now() > this.#deadlineMs || this.#seen.size > SEEN_MAX;
  }

  #startAt(known: Event | null, unknownAt: number): void {
    this.#known = known;
    this.#unknownAt = unknownAt;
  }

  /** Takes the next call that can be taken before the first return. */
  #tryKnown(): boolean {
    for (let event = this.#known; event !== null && event.end !== null; event = event.next) {
      const { call } = event;
      const step = call.transition(this.#state);
      if (step.reply !== call.reply || !this.#isSensible(step, call)) continue;
      lift(event);
      if (this.#take(event, call.operation, step.state, call.changedNothing)) return true;
      unlift(event);
    }
    this.#known = null;
    return false;
  }

  #tryUnknown(): boolean {
    const { unknown, head, growth } = this.#history;
    const limit = firstReturn(head);
    const lengths = growth?.isUnseenAfter(this.#state) ? new Set<number | undefined>() : null;
    for (let at = 0; at < unknown.length; at++) {
      const calls = unknown[at];
      const used = this.#used[at] ?? 0;
      const operation = calls?.operations[used];
      if (calls === undefined || operation === undefined) continue;
      if ((calls.positions[used] ?? Infinity) > limit) continue;
      const step = calls.transition(this.#state);
      if (lengths?.has(step.state?.length)) continue; // as good as one that was tried
      lengths?.add(step.state?.length);
      if (at < this.#unknownAt) continue;
      if (step.state === this.#state || !this.#isSensible(step, calls)) continue;
      this.#used[at] = used + 1;
      if (this.#take(at, operation, step.state, false)) return true;
      this.#used[at] = used;
    }
    this.#unknownAt = unknown.length;
    return false;
  }

  /** Whether the unknown call before this one, if there is one, made a difference to it. */
  #isSensible(step: Step, call: Pick<KnownCall, "transition"> & { readonly reply?: unknown }) {
    if (this.#history.growth?.isPossible(step.state) === false) return false;
    if (this.#pending === undefined) return true;
    const without = call.transition(this.#pending);
    if (without.state !== step.state) return true;
    return call.reply !== undefined && without.reply !== step.reply;
  }

  /** Makes a step, unless it leads to a configuration that was tried. */
  #take(what: Event | number, operation: Operation, after: State, isForced: boolean): boolean {
    const pending = typeof what === "number" ? this.#state : undefined;
    const seen = this.#configuration(after, pending);
    if (this.#seen.has(seen)) return false;
    this.#seen.add(seen);
    this.#choices.push({
      what,
      operation,
      stateBefore: this.#state,
      pendingBefore: this.#pending,
      after,
      isForced,
    });
    this.#state = after;
    this.#pending = pending;
    if (typeof what !== "number") this.#remaining--;
    this.#startAt(this.#history.head.next, 0);
    return true;
  }

  #goBack(): boolean {
    for (;;) {
      const choice = this.#choices.pop();
      if (choice === undefined) return false;
      const { what } = choice;
      this.#state = choice.stateBefore;
      this.#pending = choice.pendingBefore;
      if (typeof what === "number") {
        this.#used[what] = (this.#used[what] ?? 0) - 1;
        this.#startAt(null, what + 1);
      } else {
        this.#remaining++;
        unlift(what);
        this.#startAt(what.next, 0);
      }
      if (!choice.isForced) return true;
    }
  }

  /**
   * A text that is equal for two points of the search exactly if the same operations are in order
   * and the state is the same. The known ones are given by the calls that begin before the first
   * return and are not in order yet.
   */
  #configuration(state: State, pending: State | undefined): string {
    let text = `${this.#idOf(state)}`;
    if (pending !== undefined) text += `<${this.#idOf(pending)}`;
    for (let event = this.#history.head.next; event !== null && event.end !== null;) {
      text += `,${event.call.id}`;
      event = event.next;
    }
    this.#used.forEach((used, at) => {
      if (used > 0) text += `;${at}*${used}`;
    });
    return text;
  }

  #idOf(state: State): number {
    const { growth } = this.#history;
    const name = growth === null ? state : growth.nameOf(state);
    const known = this.#stateIds.get(name);
    if (known !== undefined) return known;
    this.#stateIds.set(name, this.#stateIds.size);
    return this.#stateIds.size - 1;
  }

  #noteDeadEnd(): void {
    const known = this.#history.knownCount - this.#remaining;
    if (known <= this.#deadEndKnown || this.#pending !== undefined) return;
    this.#deadEndKnown = known;
    const stuck: Operation[] = [];
    for (let event = this.#history.head.next; event !== null && event.end !== null;) {
      stuck.push(event.call.operation);
      event = event.next;
    }
    const order = this.#choices.slice(-LINES_MAX);
    this.#deadEnd = { order, state: this.#state, stuck, unused: this.#unused() };
  }

  #unused(): readonly Operation[] {
    const { unknown, head } = this.#history;
    const limit = firstReturn(head);
    const unused = unknown.flatMap(({ operations, positions }, at) =>
      operations.filter((_, use) => use >= (this.#used[at] ?? 0) && (positions[use] ?? 0) < limit)
    );
    return unused.sort((a, b) => a.invokedMs - b.invokedMs).slice(-LINES_MAX);
  }
}

/** Number of operations that a dead end keeps of the order. */
const LINES_MAX = 12;

function firstReturn(head: Event): number {
  for (let event = head.next; event !== null; event = event.next) {
    if (event.end === null) return event.position;
  }
  return Infinity;
}

/** Takes a call and its return out of the list. */
function lift(call: Event): void {
  for (const event of [call, call.end]) {
    if (event === null) continue;
    event.previous.next = event.next;
    if (event.next !== null) event.next.previous = event.previous;
  }
}

/** Undoes the last `lift` that has not been undone. */
function unlift(call: Event): void {
  for (const event of [call.end, call]) {
    if (event === null) continue;
    event.previous.next = event;
    if (event.next !== null) event.next.previous = event;
  }
}
