import type { LocalCluster, Member } from "../support/local_cluster.ts";

const LAST_WORDS = 2_000;

/** The processes of a cluster under faults: who may be down now, and what the dead had said. */
export class Processes {
  readonly cluster: LocalCluster;
  readonly #onUnexpectedEnd: (what: string) => void;
  /** Members that a fault is using. */
  readonly #held = new Set<Member>();
  readonly #said = new Map<string, string>();
  /** Members that were removed for good. */
  readonly #former: Member[] = [];
  #isOver = false;

  /** @param onUnexpectedEnd a process ended that no fault had touched */
  constructor(cluster: LocalCluster, onUnexpectedEnd: (what: string) => void) {
    this.cluster = cluster;
    this.#onUnexpectedEnd = onUnexpectedEnd;
    for (const member of [...cluster.nodes, ...cluster.proxies]) this.#watch(member);
  }

  /**
   * Does something to those of the members that no other fault has in its hands. The members are up
   * again, or starting, when it is done.
   *
   * @returns the names of those that it was done to
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

  /** Starts a member that has ended. */
  restart(member: Member): void {
    this.#keepWords(member);
    this.cluster.restart(member);
    this.#watch(member);
  }

  /** A node has been started that enters the cluster. */
  joined(member: Member): void {
    this.#watch(member);
    this.#tellProxies();
  }

  /** A node has been removed from the cluster, and its process has ended. */
  left(member: Member): void {
    const { nodes } = this.cluster;
    nodes.splice(nodes.indexOf(member), 1);
    this.#former.push(member);
    this.#tellProxies();
  }

  /** All that there ever were. */
  get everybody(): readonly Member[] {
    const { nodes, proxies } = this.cluster;
    return [...this.#former, ...nodes, ...proxies];
  }

  /** From now on processes may end. */
  over(): void {
    this.#isOver = true;
  }

  /** All that a member ever said. */
  saidBy(member: Member): string {
    return (this.#said.get(member.name) ?? "") + member.process.said;
  }

  /** A proxy that is started again must find somebody who is still there. */
  #tellProxies(): void {
    const addresses = this.cluster.nodes.map(({ port }) => `127.0.0.1:${port}`).join(",");
    for (const proxy of this.cluster.proxies) {
      proxy.args = proxy.args.map((arg, at, args) => args[at - 1] === "--nodes" ? addresses : arg);
    }
  }

  /** How often all of them together said so. */
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
        `${member.name} ended by itself with ${signal ?? `code ${code}`}, having said: ` +
          process.said.slice(-LAST_WORDS),
      );
    });
  }
}
