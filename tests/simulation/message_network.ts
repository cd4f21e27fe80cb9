import type { PeerMessage } from "../../src/node/peers/peer_message.ts";
import type { Peers } from "../../src/node/peers/transport.ts";
import type { NodeId } from "../../src/raft/types.ts";
import type { SimNetwork } from "./sim_network.ts";
import type { SimProcess } from "./sim_process.ts";

/** Delivers a message to the current process of a machine, if there is one. */
export type Deliver = (to: NodeId, message: PeerMessage) => void;

/**
 * Carries each Raft message by itself: any may be lost, repeated, or overtaken by others, and may
 * reach even a later life of its receiver. This is worse than TCP allows, and the core has to bear
 * it.
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
