import type { Logger } from "../../base/logger.ts";
import type { Random } from "../../base/random.ts";
import type { NodeId } from "../../raft/types.ts";
import type { Cancel, Clock } from "../clock.ts";
import { isSame } from "../member_changes.ts";
import type { Address, Listener, Network } from "../network.ts";
import { ProtocolError } from "./frame_decoder.ts";
import { type Hello, PROTOCOL_VERSION, type RemovedNotice } from "./message_codec.ts";
import { PeerInbox } from "./peer_inbox.ts";
import { PeerLanes } from "./peer_lanes.ts";
import type { PeerPlan } from "./peer_plan.ts";
import type { PeerMessage } from "./peer_message.ts";

export interface PeerTransportOptions {
  readonly id: NodeId;
  readonly clusterId: string;
  /** Where this node listens for its peers. */
  readonly listen: Address;
  /** Where clients reach this node, as it tells its peers. */
  readonly clientAddress: Address;
  /** Where peers reach this node, as it tells them. @default `listen` */
  readonly raftAddress?: Address;
  /** Bytes of one frame. */
  readonly frameBytesMax: number;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** How long the same refusal is not logged again. */
const SAME_REFUSAL_MS = 60_000;
const REFUSALS_MAX = 1_000;
/** Whom the plan no longer names is kept for so long: it shall still hear that it is removed. */
const LEAVING_MS = 3_000;

/** Who is told what the peers say. */
export interface PeerHandler {
  message(message: PeerMessage): void;
  /** What was sent to the peer lately may be lost. */
  unreachable(peer: NodeId): void;
  /** A peer told where clients reach it, and where its peers do. */
  announced(peer: NodeId, clientAddress: Address, raftAddress: Address): void;
  /** A peer says that this node has been removed from the cluster for good. */
  removed(): void;
}

/** The node's connections with the other members: two to each for sending, two from each. */
export class PeerTransport {
  readonly #options: PeerTransportOptions;
  readonly #handler: PeerHandler;
  readonly #links = new Map<NodeId, PeerLanes>();
  readonly #inboxes = new Set<PeerInbox>();
  /** The links that end soon. */
  readonly #leaving = new Map<NodeId, Cancel>();
  #plan: PeerPlan = {
    index: 0,
    committedIndex: 0,
    committedMembers: new Set(),
    addresses: new Map(),
    removed: [],
  };
  /** When each refusal was last logged. */
  readonly #refusals = new Map<string, number>();
  #listener: Listener | null = null;

  constructor(options: PeerTransportOptions, handler: PeerHandler) {
    this.#options = options;
    this.#handler = handler;
  }

  /** Listens. @throws when the address cannot be listened on */
  async start(): Promise<void> {
    const { listen, network } = this.#options;
    this.#listener = await network.listen(listen, (stream) => {
      this.#inboxes.add(
        new PeerInbox(stream, {
          self: this.#options.id,
          frameBytesMax: this.#options.frameBytesMax,
          clock: this.#options.clock,
          onRefusal: (who, remote, reason) => this.#refused(who, remote, reason),
          onHello: (hello) => this.#greeted(hello),
          onMessage: (message) => this.#handler.message(message),
          onClose: (inbox) => this.#inboxes.delete(inbox),
        }),
      );
    });
  }

  /** Dials whom the plan names, and leaves those whom it names no more. */
  follow(plan: PeerPlan): void {
    const before = this.#plan.addresses;
    this.#plan = plan;
    for (const [peer, address] of plan.addresses) {
      this.#stay(peer);
      const link = this.#links.get(peer);
      const known = before.get(peer);
      if (link === undefined) this.#links.set(peer, this.#link(peer, address));
      // What the peer itself has said counts more than a plan that is no news.
      else if (known === undefined || !isSame(known, address)) link.moveTo(address);
    }
    for (const peer of this.#links.keys()) {
      if (plan.addresses.has(peer) || this.#leaving.has(peer)) continue;
      this.#leaving.set(peer, this.#options.clock.after(LEAVING_MS, () => this.#leave(peer)));
    }
  }

  stop(): void {
    this.#listener?.close();
    for (const link of this.#links.values()) link.stop();
    for (const inbox of [...this.#inboxes]) inbox.close();
    for (const cancel of this.#leaving.values()) cancel();
    this.#links.clear();
  }

  /** Takes a message for the next `flush`. */
  send(message: PeerMessage): void {
    this.#links.get(message.to)?.send(message);
  }

  /** Sends what was collected in this turn, in one write for each peer. */
  flush(): void {
    for (const link of this.#links.values()) link.flush();
  }

  isConnected(peer: NodeId): boolean {
    return this.#links.get(peer)?.isOpen ?? false;
  }

  #link(peer: NodeId, address: Address): PeerLanes {
    const { network, clock, random } = this.#options;
    return new PeerLanes(address, {
      peer,
      hello: () => JSON.stringify(this.#hello(peer)),
      network,
      clock,
      random,
      onLost: () => this.#handler.unreachable(peer),
      onRemoved: ({ cluster, to }) => {
        if (cluster === this.#options.clusterId && to === this.#options.id) this.#handler.removed();
      },
    });
  }

  #hello(to: NodeId): Hello {
    const { id, clusterId, clientAddress, listen, raftAddress = listen } = this.#options;
    return {
      regent: PROTOCOL_VERSION,
      cluster: clusterId,
      from: id,
      to,
      host: clientAddress.host,
      port: clientAddress.port,
      raftHost: raftAddress.host,
      raftPort: raftAddress.port,
      configuration: this.#plan.index,
    };
  }

  /** Whoever was to be left is a member again, or is one that we did not know yet. */
  #stay(peer: NodeId): void {
    this.#leaving.get(peer)?.();
    this.#leaving.delete(peer);
  }

  #leave(peer: NodeId): void {
    this.#leaving.delete(peer);
    this.#links.get(peer)?.stop();
    this.#links.delete(peer);
    for (const inbox of [...this.#inboxes]) if (inbox.peer === peer) inbox.close();
  }

  /** One line, but not again and again: whoever is refused keeps dialling. */
  #refused(who: string, remote: string, reason: string): void {
    const nowMs = this.#options.clock.monotonicMs();
    const refusal = `${who}: ${reason}`;
    const lastMs = this.#refusals.get(refusal) ?? -Infinity;
    if (nowMs - lastMs < SAME_REFUSAL_MS) return;
    if (this.#refusals.size >= REFUSALS_MAX) this.#refusals.clear();
    this.#refusals.set(refusal, nowMs);
    this.#options.logger.warn(`closed the connection of ${who} at ${remote}: ${reason}`);
  }

  /**
   * Whether the sender may take part. One that we do not know may: it says that it knows a newer
   * configuration, and may be the leader from whom we are to learn it.
   */
  #greeted(hello: Hello): RemovedNotice | null {
    const { id, clusterId } = this.#options;
    if (hello.cluster !== clusterId) {
      throw new ProtocolError(`node ${hello.from} belongs to another cluster, ${hello.cluster}`);
    }
    if (hello.to !== id) {
      throw new ProtocolError(`node ${hello.from} looks for ${hello.to}, but this is ${id}`);
    }
    const { removed, addresses, committedIndex, committedMembers } = this.#plan;
    if (removed.includes(hello.from)) {
      return { type: "removed", cluster: clusterId, to: hello.from };
    }
    const isKnown = addresses.has(hello.from) || committedMembers.has(hello.from) ||
      this.#leaving.has(hello.from);
    if (!isKnown && hello.configuration <= committedIndex) {
      throw new ProtocolError(`${hello.from} is no member of the cluster`);
    }
    this.#welcome(hello);
    return null;
  }

  /** Whoever speaks to us is answered, where it says it is. */
  #welcome({ from, host, port, raftHost, raftPort }: Hello): void {
    const raftAddress = { host: raftHost, port: raftPort };
    const link = this.#links.get(from) ?? this.#link(from, raftAddress);
    this.#links.set(from, link);
    link.moveTo(raftAddress);
    link.dialNow();
    this.#handler.announced(from, { host, port }, raftAddress);
  }
}
