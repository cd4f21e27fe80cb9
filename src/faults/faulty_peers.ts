import type { Random } from "../base/random.ts";
import type { BuildVersions } from "../node/members/versions.ts";
import type { PeerMessage } from "../node/peers/peer_message.ts";
import type { PeerHandler, PeerPlan, Peers } from "../node/peers/transport.ts";
import type { Clock } from "../platform/clock.ts";
import type { Address } from "../platform/network.ts";
import type { NodeId } from "../raft/types.ts";
import type { Faults } from "./faults.ts";
import { FaultyLines } from "./faulty_lines.ts";

/** Stands before the transport: what the node sends passes `isolate`, `delay` and `drop`. */
export class FaultyPeers implements Peers {
  readonly #peers: Peers;
  readonly #faults: Faults;
  readonly #lines: FaultyLines;

  constructor(peers: Peers, faults: Faults, clock: Clock, random: Random) {
    this.#peers = peers;
    this.#faults = faults;
    this.#lines = new FaultyLines(faults, clock, random, "out");
  }

  send(message: PeerMessage): void {
    this.#lines.carry(message.to, (isLate) => {
      this.#peers.send(message);
      if (isLate) this.#peers.flush();
    });
  }

  flush(): void {
    this.#peers.flush();
  }

  follow(plan: PeerPlan): void {
    this.#peers.follow(plan);
  }

  problem(peer: NodeId): string | null {
    return this.#peers.problem(peer);
  }

  /** A line that is cut, even one way, carries no connection. */
  isConnected(peer: NodeId): boolean {
    const isCut = this.#faults.isCut(peer, "out") || this.#faults.isCut(peer, "in");
    return !isCut && this.#peers.isConnected(peer);
  }
}

/** Stands before the node: what its peers send passes `isolate`, `delay` and `drop`. */
export class FaultyHandler implements PeerHandler {
  readonly #handler: PeerHandler;
  readonly #lines: FaultyLines;

  constructor(handler: PeerHandler, faults: Faults, clock: Clock, random: Random) {
    this.#handler = handler;
    this.#lines = new FaultyLines(faults, clock, random, "in");
  }

  message(message: PeerMessage): void {
    this.#lines.carry(message.from, () => this.#handler.message(message));
  }

  unreachable(peer: NodeId): void {
    this.#handler.unreachable(peer);
  }

  /** Said once for each connection, so that it would be missed for good: it is never lost. */
  announced(
    peer: NodeId,
    clientAddress: Address,
    raftAddress: Address,
    incarnation: string,
    versions: BuildVersions,
  ): void {
    this.#handler.announced(peer, clientAddress, raftAddress, incarnation, versions);
  }

  removed(): void {
    this.#handler.removed();
  }

  refused(by: NodeId, why: "stranger" | "copy", at: Address | null): void {
    this.#handler.refused(by, why, at);
  }
}
