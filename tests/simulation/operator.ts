import { randomInteger, seededRandom } from "../../src/base/random.ts";
import { maxmemoryRequest } from "../../src/commands/config_set.ts";
import { rowOf } from "../../src/commands/table.ts";
import { ClientOrder, Request } from "../../src/node/clients/request.ts";
import type { Node } from "../../src/node/node.ts";
import { OK, type Reply } from "../../src/resp/reply.ts";
import { RandomFiles } from "../support/random_files.ts";
import type { SimNode } from "./sim_node.ts";
import type { World } from "./world.ts";

/** Removals leave at least this many voters. */
const VOTERS_MIN = 2;
const VOTERS_MAX = 6;

/** Number of requests about files that are sent at once. */
const FILE_REQUESTS = 6;

/** The memory limit is chosen from here on, up to twice as much: no simulation reaches it. */
const MEMORY_BYTES_MIN = 2 ** 30;

/**
 * An operator who lets nodes join and leave, transfers leadership, limits the memory, and changes
 * what is known about files, during all faults.
 */
export class Operator {
  readonly #world: World;
  readonly #founders: readonly SimNode[];
  /** Nodes that are not members yet. */
  readonly #joiners: SimNode[];
  /** Of its own, so that the rest of a simulation stays as it is. */
  readonly #files = new RandomFiles(seededRandom(15));
  #isStopped = false;

  constructor(world: World, founders: readonly SimNode[], joiners: readonly SimNode[]) {
    this.#world = world;
    this.#founders = founders;
    this.#joiners = [...joiners];
  }

  start(): void {
    const { plan, laterRandom, scheduler } = this.#world;
    if (plan.changeMembersMs === null) return;
    scheduler.after(-Math.log(1 - laterRandom()) * plan.changeMembersMs, () => {
      if (this.#isStopped) return;
      this.#act();
      this.start();
    });
  }

  stop(): void {
    this.#isStopped = true;
  }

  #act(): void {
    const { laterRandom, nodes } = this.#world;
    const leaders = [...nodes.values()].filter((node) => node.report()?.role === "leader");
    const leader = leaders[randomInteger(laterRandom, Math.max(1, leaders.length))];
    if (leader === undefined) return;
    const chance = laterRandom();
    const other = laterRandom();
    leader.ask((node) => {
      this.#changeFiles(node);
      if (chance < 0.4) this.#letIn(node);
      else if (chance < 0.75) this.#remove(leader, node, other);
      else if (chance < 0.92) this.#handOver(leader, node, other);
      else this.#boundMemory(node, other);
    });
  }

  #letIn(leader: Node): void {
    const joiner = this.#joiners[0];
    const { members } = leader.report();
    if (joiner === undefined || members.length >= VOTERS_MAX) return;
    this.#note(joiner.id, "asks to join");
    leader.membership.join(joiner.id, joiner.raftAddress, joiner.incarnation, (reply: Reply) => {
      if (reply !== OK || this.#joiners[0] !== joiner) return;
      this.#joiners.shift();
      const { committed } = leader.membership;
      joiner.enter(committed.members.map(({ id }) => id).filter((id) => id !== joiner.id));
      this.#world.scheduler.after(1, () => {
        if (!joiner.isUp) joiner.start();
      });
    });
  }

  #remove(leader: SimNode, node: Node, chance: number): void {
    const members = node.report().members;
    const voters = members.filter(({ isLearner }) => !isLearner);
    const { id } = chance < 0.3 ? leader : members[Math.floor(chance * members.length)] ?? leader;
    const founders = this.#founders.filter((one) => members.some((member) => member.id === one.id));
    // Proxies know only the founders when they start.
    const isLastFounder = founders.length === 1 && founders[0]?.id === id;
    if (voters.length <= VOTERS_MIN || isLastFounder) return;
    this.#note(id, "is to be removed");
    node.membership.forget(id, false, (reply) => this.#note(id, "removal:", describe(reply)));
  }

  #handOver(leader: SimNode, node: Node, chance: number): void {
    const others = node.report().members
      .filter(({ id, isLearner }) => id !== leader.id && !isLearner);
    const to = others[Math.floor(chance * others.length)];
    if (to === undefined) return;
    this.#note(to.id, "is to lead");
    node.membership.transfer.start(
      to.id,
      (reply) => this.#note(to.id, "transfer:", describe(reply)),
    );
  }

  #boundMemory(node: Node, chance: number): void {
    this.#send(node, maxmemoryRequest(Math.floor(MEMORY_BYTES_MIN * (1 + chance))));
  }

  /** The state of all nodes must stay equal: their replies and snapshots are compared. */
  #changeFiles(node: Node): void {
    for (let left = FILE_REQUESTS; left > 0;) {
      const args = this.#files.next();
      if (rowOf(args)?.kind !== "write") continue;
      this.#send(node, args);
      left--;
    }
  }

  #send(node: Node, args: readonly string[]): void {
    const command = rowOf(args);
    if (command === undefined) throw new RangeError(`Cannot send ${args[0]}: no such command`);
    const { id } = node.report();
    const settle = (reply: Reply) => this.#note(id, args.join(" "), describe(reply));
    node.submit(new Request(command, args, new ClientOrder(), { settle }));
  }

  #note(who: string, what: string, ...facts: readonly string[]): void {
    this.#world.note(who, `+++ ${what}`, ...facts);
  }
}

function describe(reply: Reply): string {
  return reply === OK ? "OK" : JSON.stringify(reply);
}
