import type { Logger } from "../base/logger.ts";
import type { Random } from "../base/random.ts";
import type { Clock } from "../node/clock.ts";
import type { Address, Network } from "../node/network.ts";
import { addressText, parseAddressText } from "./address_text.ts";
import type { NodeState } from "./node_state.ts";
import type { Topology } from "./topology.ts";
import { Watcher } from "./watcher.ts";

export interface WatchersOptions {
  /** Where to begin, and to come back to. */
  readonly seeds: readonly Address[];
  readonly intervalMs: number;
  readonly topology: Topology;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Something that matters to routing has changed. */
  readonly changed: () => void;
}

/** Watches every node there is: finds them from any one, follows them when they move. */
export class Watchers {
  readonly #options: WatchersOptions;
  readonly #seeds: readonly string[];
  readonly #watchers = new Map<string, Watcher>();
  /** The members' addresses by id, as last told by anyone. */
  #members: ReadonlyMap<string, string> = new Map();
  /** Who answered at each address last, to know a seed again that is another name of a member. */
  readonly #ids = new Map<string, string>();

  /** The cluster of the node that answered first; empty before that. */
  #clusterId = "";

  constructor(options: WatchersOptions) {
    this.#options = options;
    this.#seeds = options.seeds.map(addressText);
  }

  start(): void {
    this.refresh();
  }

  /** @param awakeMs how long this process was awake since the last time */
  tick(nowMs: number, awakeMs: number): void {
    for (const watcher of [...this.#watchers.values()]) watcher.tick(nowMs, awakeMs);
  }

  stop(): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  /** A dead node's address may be another cluster's next: nothing may be read or written there. */
  #objection({ clusterId }: NodeState): string | null {
    if (this.#clusterId === "") this.#clusterId = clusterId;
    if (clusterId === "" || clusterId === this.#clusterId) return null;
    return `belongs to cluster ${clusterId}, not to ${this.#clusterId}`;
  }

  #reported(address: string, state: NodeState): void {
    const { topology, logger, changed } = this.#options;
    this.#ids.set(address, state.id);
    const node = topology.node(address);
    const wasResponsive = node?.isResponsive ?? false;
    if (!topology.reported(address, state)) return;
    if (!wasResponsive) logger.info(`node ${node?.label ?? address} answers`);
    this.refresh();
    changed();
  }

  #disconnected(address: string): void {
    const { topology, logger, changed } = this.#options;
    if (!topology.disconnected(address)) return;
    logger.warn(`node ${topology.node(address)?.label ?? address} is gone`);
    this.refresh();
    changed();
  }

  /** Begins and ends watching, so that all are watched that should be, by what the topology says now. */
  refresh(): void {
    const { topology } = this.#options;
    const told = topology.memberAddresses();
    if (told.size > 0) this.#members = told;
    const members = new Set(this.#members.values());
    for (const address of [...this.#watchers.keys()]) {
      if (!this.#isWanted(address, members)) this.#unwatch(address);
    }
    for (const address of [...members, ...this.#seeds]) {
      if (!this.#watchers.has(address) && this.#isWanted(address, members)) this.#watch(address);
    }
  }

  #isWanted(address: string, members: ReadonlySet<string>): boolean {
    if (members.has(address)) return true;
    const { topology } = this.#options;
    const answers = (other: string | undefined) =>
      other !== undefined && (topology.node(other)?.isResponsive ?? false);
    const id = this.#ids.get(address);
    // The same node answers where the others say it is.
    if (id !== undefined && answers(this.#members.get(id))) return false;
    return this.#seeds.includes(address) || answers(address);
  }

  #watch(text: string): void {
    const address = parseAddressText(text);
    if (address === null) return;
    const { topology, intervalMs, network, clock, random, logger } = this.#options;
    topology.add(text);
    const events = {
      objection: (state: NodeState) => this.#objection(state),
      reported: (state: NodeState) => this.#reported(text, state),
      disconnected: () => this.#disconnected(text),
      refused: (reason: string) => logger.warn(`${text} cannot be used: ${reason}`),
    };
    const options = { address, intervalMs, network, clock, random, events };
    this.#watchers.set(text, new Watcher(options));
  }

  #unwatch(address: string): void {
    this.#watchers.get(address)?.close();
    this.#watchers.delete(address);
    this.#options.topology.remove(address);
    if (!this.#seeds.includes(address)) this.#ids.delete(address);
  }
}
