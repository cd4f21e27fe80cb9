import type { ObservedState, ObserverEvents } from "./node_observer.ts";

/** Follows the state of the cluster, and reports changes to the user, one line each. */
export class ClusterView implements ObserverEvents {
  readonly #print: (line: string) => void;
  readonly #nowMs: () => number;
  readonly #states = new Map<string, ObservedState>();
  readonly #leaderChanged: (() => void)[] = [];
  #leader: { readonly id: string; readonly term: number } | null = null;
  #lastHeardLeaderMs = 0;
  /** The members according to the last leader. */
  #members: readonly string[] = [];
  readonly #removed = new Set<string>();

  constructor(print: (line: string) => void, nowMs: () => number) {
    this.#print = print;
    this.#nowMs = nowMs;
  }

  get leaderId(): string | null {
    return this.#leader?.id ?? null;
  }

  get term(): number {
    return this.#leader?.term ?? 0;
  }

  roleOf(id: string): string {
    return this.#states.get(id)?.role ?? "-";
  }

  /** Whether a leader no longer lists the node as a member. Ids are never reused. */
  isRemoved(id: string): boolean {
    return this.#removed.has(id);
  }

  /** Resolves when a leader serves, and this many nodes lead or follow it. */
  whenServing(count: () => number): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        const serving = [...this.#states.values()].filter((state) => state.isServing);
        if (this.#leader !== null && serving.length >= count()) resolve();
      };
      this.#leaderChanged.push(check);
      check();
    });
  }

  reported(id: string, state: ObservedState): void {
    const before = this.#states.get(id);
    this.#states.set(id, state);
    const nowMs = this.#nowMs();
    if (before === undefined && this.#leader !== null) {
      this.#print(`${id} answers, as ${state.role} of term ${state.term}`);
    }
    if (state.role === "leader" && state.isServing && state.term >= this.term) {
      if (this.#leader?.id !== id || this.#leader.term !== state.term) {
        this.#lead(id, state.term, nowMs);
      }
      this.#lastHeardLeaderMs = nowMs;
      for (const member of this.#members) {
        if (!state.members.includes(member)) this.#removed.add(member);
      }
      this.#members = state.members;
    } else if (before?.role === "leader" && state.role !== "leader") {
      this.#print(`${id} no longer leads: it ${doingOf(state)}`);
    }
    for (const check of this.#leaderChanged) check();
  }

  died(id: string): void {
    this.#states.delete(id);
    for (const check of this.#leaderChanged) check();
  }

  stoppedReporting(id: string): void {
    this.#states.delete(id);
    this.#print(`${id} does not answer`);
  }

  #lead(id: string, term: number, nowMs: number): void {
    if (this.#leader !== null) {
      const gapSeconds = ((nowMs - this.#lastHeardLeaderMs) / 1000).toFixed(2);
      this.#print(
        `${id} leads in term ${term}, ${gapSeconds} s after ${this.#leader.id} was last heard`,
      );
    }
    this.#leader = { id, term };
  }
}

/** What a node does that does not lead. */
function doingOf({ role, term, leaderId }: ObservedState): string {
  if (role === "candidate") return `is a candidate in term ${term}`;
  if (leaderId === "") return `knows no leader in term ${term}`;
  return `${role === "learner" ? "learns from" : "follows"} ${leaderId} in term ${term}`;
}
