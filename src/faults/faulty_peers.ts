import type { Random } from "../base/random.ts";
import type { BuildVersions } from "../node/members/versions.ts";
import type { PeerMessage } from "../node/peers/peer_message.ts";
import type { PeerHandler, PeerPlan, Peers } from "../node/peers/transport.ts";
import type { Clock } from "../platform/clock.ts";
import type { Address } from "../platform/network.ts";
import type { NodeId } from "../raft/types.ts";
import { DelayLine } from "./delay_line.ts";
import type { Faults } from "./faults.ts";

/** Wraps the transport: `isolate`, `delay` and `drop` act on what the node sends. */
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

  /** A peer that is cut off, even in one direction, does not count as connected. */
  isConnected(peer: NodeId): boolean {
    const isCut = this.#faults.isCut(peer, "out") || this.#faults.isCut(peer, "in");
    return !isCut && this.#peers.isConnected(peer);
  }
}

/** Wraps the node: `isolate`, `delay` and `drop` act on what its peers send. */
export class FaultyHandler implements PeerHandler {
  readonly #handler: PeerHandler;
  readonly #lines: FaultyLines;

  constructor(handler: PeerHandler, faults: Faults, clock: Clock, random: Random) {
    this.#handler = handler;
    this.#lines = new FaultyLines(faults, clock, random, "in");
  }

  onMessage(message: PeerMessage): void {
    this.#lines.carry(message.from, () => this.#handler.onMessage(message));
  }

  onUnreachable(peer: NodeId): void {
    this.#handler.onUnreachable(peer);
  }

  /** Never lost, since it is announced only once per connection. */
  onAnnounced(
    peer: NodeId,
    clientAddress: Address,
    raftAddress: Address,
    incarnation: string,
    versions: BuildVersions,
  ): void {
    this.#handler.onAnnounced(peer, clientAddress, raftAddress, incarnation, versions);
  }

  onRemoved(): void {
    this.#handler.onRemoved();
  }

  onRefused(by: NodeId, why: "stranger" | "copy", at: Address | null): void {
    this.#handler.onRefused(by, why, at);
  }
}

/** Maximum number of delayed messages per peer and direction. Further ones are lost. */
const HELD_MAX = 10_000;

/** Decides what happens to messages in one direction between a node and its peers. */
class FaultyLines {
  readonly #faults: Faults;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #direction: "in" | "out";
  readonly #lines = new Map<NodeId, DelayLine>();

  constructor(faults: Faults, clock: Clock, random: Random, direction: "in" | "out") {
    this.#faults = faults;
    this.#clock = clock;
    this.#random = random;
    this.#direction = direction;
    faults.watch(() => this.#checkDelays());
  }

  /**
   * Delivers a message now, later, or never.
   *
   * @param deliver is told whether the message was delayed
   */
  carry(peer: NodeId, deliver: (isLate: boolean) => void): void {
    const line = this.#lines.get(peer);
    if (line === undefined && this.#faults.isEmpty) return deliver(false);
    if (this.#isLost(peer)) return;
    const delayMs = this.#faults.delayMs(peer);
    if (delayMs === 0) return deliver(false);
    const held = line ?? new DelayLine(this.#clock);
    if (held.length >= HELD_MAX) return;
    this.#lines.set(peer, held);
    held.add(delayMs, () => {
      if (!this.#faults.isCut(peer, this.#direction)) deliver(true);
    });
  }

  #isLost(peer: NodeId): boolean {
    if (this.#faults.isCut(peer, this.#direction)) return true;
    const percent = this.#faults.dropPercent(peer);
    return percent > 0 && this.#random() * 100 < percent;
  }

  /** When its delay ends, a delayed message arrives at once, before any later message. */
  #checkDelays(): void {
    for (const [peer, line] of [...this.#lines]) {
      if (this.#faults.delayMs(peer) > 0) continue;
      this.#lines.delete(peer);
      line.release();
    }
  }
}
