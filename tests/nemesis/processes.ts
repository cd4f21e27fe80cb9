import type { LocalCluster, Member } from "../support/local_cluster.ts";

const LAST_WORDS = 2_000;

/**
 * The processes of a cluster under faults: which of them may be down now, and the output of those
 * that ended.
 */
export class Processes {
  readonly cluster: LocalCluster;
  readonly #onUnexpectedEnd: (what: string) => void;
  /** Members that are part of a fault. */
  readonly #held = new Set<Member>();
  readonly #said = new Map<string, string>();
  /** Members that were removed for good. */
  readonly #former: Member[] = [];
  #isOver = false;

  /** @param onUnexpectedEnd called when a process ends that no fault has touched */
  constructor(cluster: LocalCluster, onUnexpectedEnd: (what: string) => void) {
    this.cluster = cluster;
    this.#onUnexpectedEnd = onUnexpectedEnd;
    for (const member of [...cluster.nodes, ...cluster.proxies]) this.#watch(member);
  }

  /**
   * Does something to those of the members that are not part of another fault. When it is done, the
   * members are up again, or starting.
   *
   * @returns the names of the members that were hit
   */
  async withHeld(
    members: readonly Member[],
    fault: (held: readonly Member[]) => Promise<void>,
  ): Promise<string[]> {
    const free = members.filter((member) => !this.#held.has(member) && member.process.isRunning);
    for (const member of free) this.#held.add(member);
    try {
      if (free.length > 0) await fault(free);
    } finally {
      for (const member of free) this.#held.delete(member);
    }
    return free.map(({ name }) => name);
  }

  /** Restarts a member whose process has ended. */
  restart(member: Member): void {
    this.#keepWords(member);
    this.cluster.restart(member);
    this.#watch(member);
  }

  /** A node was started that joins the cluster. */
  joined(member: Member): void {
    this.#watch(member);
    this.#tellProxies();
  }

  /** A node was removed from the cluster, and its process has ended. */
  left(member: Member): void {
    const { nodes } = this.cluster;
    nodes.splice(nodes.indexOf(member), 1);
    this.#former.push(member);
    this.#tellProxies();
  }

  /** All members, former ones included. */
  get everybody(): readonly Member[] {
    const { nodes, proxies } = this.cluster;
    return [...this.#former, ...nodes, ...proxies];
  }

  /** Processes may end from now on. */
  over(): void {
    this.#isOver = true;
  }

  /** All output of a member so far. */
  saidBy(member: Member): string {
    return (this.#said.get(member.name) ?? "") + member.process.said;
  }

  /** A restarted proxy must know nodes that are still there. */
  #tellProxies(): void {
    const addresses = this.cluster.nodes.map(({ port }) => `127.0.0.1:${port}`).join(",");
    for (const proxy of this.cluster.proxies) {
      proxy.args = proxy.args.map((arg, at, args) => args[at - 1] === "--nodes" ? addresses : arg);
    }
  }

  /** How often this text occurs in the output of all processes. */
  timesSaid(words: string): number {
    return this.everybody.reduce((sum, one) => sum + this.saidBy(one).split(words).length - 1, 0);
  }

  #keepWords(member: Member): void {
    this.#said.set(member.name, `${this.saidBy(member)}--- started again\n`);
  }

  #watch(member: Member): void {
    const { process } = member;
    process.status.then(async ({ code, signal }) => {
      if (this.#isOver || this.#held.has(member)) return;
      await process.ended();
      this.#onUnexpectedEnd(
        `${member.name} ended by itself with ${signal ?? `code ${code}`}, its output: ` +
          process.said.slice(-LAST_WORDS),
      );
    });
  }
}
