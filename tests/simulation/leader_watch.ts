import type { StateReport } from "../../src/node/members/report.ts";
import { majority } from "../../src/raft/mod.ts";
import type { NodeId } from "../../src/raft/types.ts";
import type { FaultPlan } from "./fault_plan.ts";

/** How far the driver's ticks may be off a node's clock, which it makes up for at once. */
const TICKS_SLACK_MS = 50;

/** The fields of a Raft message that are needed. */
interface Heard {
  readonly type: string;
  readonly from: NodeId;
  readonly to: NodeId;
  /** Messages that compare clocks have no term. */
  readonly term?: number;
  readonly granted?: boolean;
  readonly isTransfer?: boolean;
}

interface Leading {
  readonly term: number;
  readonly sinceMs: number;
  /** When each peer's last answer was handled. */
  readonly answeredMs: Map<NodeId, number>;
}

export interface LeaderWatchOptions {
  readonly plan: FaultPlan;
  readonly nowMs: () => number;
  readonly fail: (what: string) => never;
}

/**
 * Checks what keeps a leader in office and what deposes it (thesis §6.2, §9.6). Nobody helps to
 * elect another leader while it hears its own, and a leader that does not hear a majority steps
 * down. Both are judged by what each node has heard, so they hold whatever the faults do.
 */
export class LeaderWatch {
  readonly #options: LeaderWatchOptions;
  /**
   * For this time after a message from its leader a node must be loyal, by any clock of the plan.
   */
  readonly #loyalMs: number;
  /** For this time without a majority a leader may certainly lead, by any clock of the plan. */
  readonly #aloneMsMin: number;
  /** Maximum time for which a leader may stay without a majority, by any clock of the plan. */
  readonly #aloneMsMax: number;
  /** The last message of a leader to each node, in the node's current life. */
  readonly #heard = new Map<NodeId, { readonly term: number; readonly atMs: number }>();
  /** Requests for votes that may be granted, as `type/voter/candidate/term`. */
  readonly #grantable = new Set<string>();
  readonly #leading = new Map<NodeId, Leading>();
  /** Since when each node has been running without a suspension. */
  readonly #awakeSinceMs = new Map<NodeId, number>();

  constructor(options: LeaderWatchOptions) {
    const { electionMs, clockRateMax } = options.plan;
    this.#options = options;
    this.#loyalMs = (electionMs - TICKS_SLACK_MS) / (1 + clockRateMax);
    this.#aloneMsMin = (2 * electionMs - TICKS_SLACK_MS) / (1 + clockRateMax);
    this.#aloneMsMax = (2 * electionMs + TICKS_SLACK_MS) / (1 - clockRateMax);
  }

  /** A new life of the node begins. */
  started(id: NodeId): void {
    this.#heard.delete(id);
    this.#leading.delete(id);
    this.resumed(id);
  }

  /** The node resumes. Time during which it was suspended does not count. */
  resumed(id: NodeId): void {
    this.#awakeSinceMs.set(id, this.#options.nowMs());
  }

  /** A node is about to handle a message. @param report of that node, before the message */
  handling({ type, from, to, term = 0, isTransfer }: Heard, report: StateReport): void {
    const nowMs = this.#options.nowMs();
    const isLeader = report.role === "leader";
    switch (type) {
      case "append":
      case "heartbeat":
        if (term >= report.term && !isLeader) this.#heard.set(to, { term, atMs: nowMs });
        return;
      case "appendReply":
      case "heartbeatReply":
        if (isLeader && term === report.term) {
          this.#leadershipOf(report).answeredMs.set(from, nowMs);
        }
        return;
      case "preVote":
      case "vote": {
        const heard = this.#heard.get(to);
        // A node counts its time when a message comes: a leader may step down before it handles it.
        const isLoyal = isLeader
          ? !this.#isAloneSince(report, nowMs - this.#aloneMsMin)
          : heard?.term === report.term && nowMs - heard.atMs < this.#loyalMs;
        const isAllowed = term <= report.term || !isLoyal || isTransfer === true;
        if (isAllowed) this.#grantable.add(`${type}/${to}/${from}/${term}`);
      }
    }
  }

  sent({ type, from, to, term = 0, granted }: Heard): void {
    if ((type !== "preVoteReply" && type !== "voteReply") || granted !== true) return;
    const asked = type.slice(0, -"Reply".length);
    if (this.#grantable.has(`${asked}/${from}/${to}/${term}`)) return;
    this.#options.fail(`${from} grants ${to} a ${asked} of term ${term} while its leader is alive`);
  }

  turnEnded(report: StateReport): void {
    const { id, role } = report;
    if (role !== "leader") {
      this.#leading.delete(id);
      return;
    }
    const fromMs = this.#options.nowMs() - this.#aloneMsMax;
    if (fromMs < (this.#awakeSinceMs.get(id) ?? 0) || !this.#isAloneSince(report, fromMs)) return;
    this.#options.fail(`${id} still leads term ${report.term}, without a majority of its members`);
  }

  /** Whether this leader has led ever since that time, and heard no majority. */
  #isAloneSince(report: StateReport, fromMs: number): boolean {
    const { sinceMs, answeredMs } = this.#leadershipOf(report);
    if (fromMs < sinceMs) return false;
    const voters = report.members.filter(({ isLearner }) => !isLearner);
    const isAlive = ({ id }: { readonly id: NodeId }) =>
      id === report.id || (answeredMs.get(id) ?? -1) >= fromMs;
    return voters.filter(isAlive).length < majority(voters.length);
  }

  #leadershipOf({ id, term }: StateReport): Leading {
    const known = this.#leading.get(id);
    if (known?.term === term) return known;
    const leading = { term, sinceMs: this.#options.nowMs(), answeredMs: new Map() };
    this.#leading.set(id, leading);
    return leading;
  }
}
