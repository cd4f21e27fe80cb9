import type { PeerMessage } from "../../src/node/peers/peer_message.ts";
import type { Peers } from "../../src/node/peers/transport.ts";
import type { NodeId } from "../../src/raft/types.ts";
import type { SimNetwork } from "./sim_network.ts";
import type { SimProcess } from "./sim_process.ts";

/** Delivers a message to the process that runs on a machine now, if any. */
export type Deliver = (to: NodeId, message: PeerMessage) => void;

/**
 * Carries each raft message for itself: any may be lost, repeated, or overtaken by others, and reach
 * even a later life of its receiver. Stronger than what TCP allows, and what the core has to bear.
 */
export class MessagePeers implements Peers {
  readonly #network: SimNetwork;
  readonly #process: SimProcess;
  readonly #deliver: Deliver;

  constructor(network: SimNetwork, process: SimProcess, deliver: Deliver) {
    this.#network = network;
    this.#process = process;
    this.#deliver = deliver;
  }

  send(message: PeerMessage): void {
    const { random, plan } = this.#network;
    const isFaulty = this.#network.isLinkFaulty(message.from, message.to);
    if (random() < this.#network.loss(message.from, message.to)) return;
    this.#carry(message);
    if (isFaulty && random() < plan.repeat) this.#carry(message);
  }

  flush(): void {}

  follow(): void {}

  isConnected(peer: NodeId): boolean {
    return !this.#network.isCut(this.#process.name, peer);
  }

  problem(): null {
    return null;
  }

  #carry(message: PeerMessage): void {
    const { from, to } = message;
    if (this.#network.isCut(from, to)) return;
    const delayMs = this.#network.delayMs(from, to);
    this.#network.scheduler.after(delayMs, () => {
      if (!this.#network.isCut(from, to)) this.#deliver(to, message);
    });
  }
}
