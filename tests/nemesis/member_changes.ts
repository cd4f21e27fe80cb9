import { ErrorReply, OK } from "../../src/resp/reply.ts";
import {
  ask,
  LOOK_MS,
  type Member,
  type RoleReport,
  roleWithin,
} from "../support/local_cluster.ts";
import type { Processes } from "./processes.ts";

/** More members would only slow each other down. */
const MEMBERS_MAX = 5;
/** No member is removed if fewer than this would be left. */
const VOTERS_MIN = 3;
/** Time limit in milliseconds for a definite answer to a change. */
const ANSWER_MS_MAX = 60_000;
/**
 * Time in milliseconds for which a removed node may live: nodes that know may be down or cut off.
 */
const END_MS_MAX = 60_000;
const RETRY_MS = 100;
/** Longer than a node takes to answer that it does not know. */
const PATIENCE_MS = 7_000;

/** Adds and removes members, one at a time, during other faults. */
export class MemberChanges {
  readonly #processes: Processes;
  readonly #flags: readonly string[];
  /** Number of changes of each kind. */
  readonly counts = { added: 0, removed: 0, transferred: 0 };
  #lastNumber: number;
  #isInProgress = false;

  /** @param flags the flags of added nodes */
  constructor(processes: Processes, flags: readonly string[]) {
    this.#processes = processes;
    this.#flags = flags;
    this.#lastNumber = processes.cluster.nodes.length;
  }

  /** Starts a node with an empty directory. It joins, and becomes a voter, as the faults allow. */
  add(): string[] {
    const { cluster } = this.#processes;
    if (cluster.nodes.length >= MEMBERS_MAX || this.#isInProgress) return [];
    const name = `n${++this.#lastNumber}`;
    this.#processes.joined(cluster.join(name, cluster.proxy, this.#flags));
    this.counts.added++;
    return [name];
  }

  /**
   * Removes a member for good. Its process has to end by itself.
   *
   * @returns the removed member, or the member that was not removed and why
   * @throws if the outcome stays unknown, or the member keeps running
   */
  async remove(choose: () => Promise<Member>): Promise<string[]> {
    if (this.#isInProgress) return [];
    this.#isInProgress = true;
    try {
      if (await this.#voterCount() < VOTERS_MIN) return [];
      const member = await choose();
      let outcome = "";
      const held = await this.#processes.withHeld([member], async () => {
        outcome = await this.#request(["CLUSTER", "FORGET", member.name]);
        if (outcome === "OK") await this.#untilEnded(member);
      });
      return held.map((name) => outcome === "OK" ? name : `not ${name}: ${outcome}`);
    } finally {
      this.#isInProgress = false;
    }
  }

  /** @returns the new leader, or the member that did not become leader and why */
  async transfer({ name }: Member): Promise<string[]> {
    const outcome = await this.#request(["CLUSTER", "TRANSFER", name]);
    if (outcome === "OK") this.counts.transferred++;
    return [outcome === "OK" ? name : `not to ${name}: ${outcome}`];
  }

  /** The leader of the highest term. */
  async leader(): Promise<Member | null> {
    const { nodes } = this.#processes.cluster;
    const reports = await this.#reports();
    const terms = reports.map((report) => report?.role === "leader" ? report.term : -1);
    const term = Math.max(...terms);
    return term < 0 ? null : nodes[terms.indexOf(term)] ?? null;
  }

  /** Number of nodes that report that they are voters. */
  async #voterCount(): Promise<number> {
    const reports = await this.#reports();
    return reports.filter((report) => report !== null && report.role !== "learner").length;
  }

  #reports(): Promise<(RoleReport | null)[]> {
    const { nodes } = this.#processes.cluster;
    return Promise.all(
      nodes.map((node) => node.process.isRunning ? roleWithin(node, LOOK_MS) : null),
    );
  }

  /** Asks the leader until the answer is definite. All these requests are idempotent. */
  async #request(args: readonly string[]): Promise<string> {
    const deadlineMs = performance.now() + ANSWER_MS_MAX;
    for (let last = "nobody leads"; performance.now() < deadlineMs; await sleep(RETRY_MS)) {
      const leader = await this.leader();
      const reply = leader === null ? null : await ask(leader, args, PATIENCE_MS);
      if (reply === OK) return "OK";
      if (!(reply instanceof ErrorReply)) continue;
      last = reply.text;
      if (!/^(MOVED|CLUSTERDOWN|TRYAGAIN|UNKNOWN) /.test(last)) return last;
    }
    throw new Error(`${args.join(" ")} was not answered in ${ANSWER_MS_MAX} ms`);
  }

  async #untilEnded(member: Member): Promise<void> {
    const { process } = member;
    await Promise.race([process.status, sleep(END_MS_MAX)]);
    const hasEnded = !process.isRunning;
    await process.signal("SIGKILL");
    const { code } = await process.ended();
    this.#processes.left(member);
    this.counts.removed++;
    if (!hasEnded) throw new Error(`${member.name} was removed and did not end`);
    if (code !== 0) throw new Error(`${member.name} was removed and ended with code ${code}`);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
