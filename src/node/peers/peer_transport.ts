import type { Logger } from "../../base/logger.ts";
import type { Random } from "../../base/random.ts";
import type { NodeId } from "../../raft/types.ts";
import type { Clock } from "../clock.ts";
import type { Address, Listener, Network } from "../network.ts";
import { ProtocolError } from "./frame_decoder.ts";
import { type Hello, PROTOCOL_VERSION } from "./message_codec.ts";
import { PeerInbox } from "./peer_inbox.ts";
import { PeerLink } from "./peer_link.ts";
import type { PeerMessage } from "./peer_message.ts";

export interface PeerTransportOptions {
  readonly id: NodeId;
  readonly clusterId: string;
  /** Where this node listens for its peers. */
  readonly listen: Address;
  /** Where clients reach this node, as it tells its peers. */
  readonly clientAddress: Address;
  /** The Raft addresses of the other members. */
  readonly peers: ReadonlyMap<NodeId, Address>;
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

/** Who is told what the peers say. */
export interface PeerHandler {
  message(message: PeerMessage): void;
  /** What was sent to the peer lately may be lost. */
  unreachable(peer: NodeId): void;
  /** A peer told where clients reach it. */
  announced(peer: NodeId, clientAddress: Address): void;
}

/** The node's connections with the other members: one to each for sending, one from each. */
export class PeerTransport {
  readonly #options: PeerTransportOptions;
  readonly #handler: PeerHandler;
  readonly #links = new Map<NodeId, PeerLink>();
  readonly #inboxes = new Set<PeerInbox>();
  /** When each refusal was last logged. */
  readonly #refusals = new Map<string, number>();
  #listener: Listener | null = null;

  constructor(options: PeerTransportOptions, handler: PeerHandler) {
    this.#options = options;
    this.#handler = handler;
  }

  /** Listens, and begins to dial. @throws when the address cannot be listened on */
  async start(): Promise<void> {
    const { listen, network, peers } = this.#options;
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
    for (const [peer, address] of peers) this.#links.set(peer, this.#link(peer, address));
  }

  stop(): void {
    this.#listener?.close();
    for (const link of this.#links.values()) link.stop();
    for (const inbox of [...this.#inboxes]) inbox.close();
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

  #link(peer: NodeId, address: Address): PeerLink {
    const { id, clusterId, clientAddress, network, clock, random } = this.#options;
    const hello: Hello = {
      regent: PROTOCOL_VERSION,
      cluster: clusterId,
      from: id,
      to: peer,
      host: clientAddress.host,
      port: clientAddress.port,
    };
    return new PeerLink(address, {
      peer,
      hello: JSON.stringify(hello),
      network,
      clock,
      random,
      onLost: () => this.#handler.unreachable(peer),
    });
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

  #greeted(hello: Hello): void {
    const { id, clusterId, peers } = this.#options;
    if (hello.cluster !== clusterId) {
      throw new ProtocolError(`node ${hello.from} belongs to another cluster, ${hello.cluster}`);
    }
    if (hello.to !== id) {
      throw new ProtocolError(`node ${hello.from} looks for ${hello.to}, but this is ${id}`);
    }
    if (!peers.has(hello.from)) {
      throw new ProtocolError(`${hello.from} is no member of the cluster`);
    }
    this.#links.get(hello.from)?.dialNow();
    this.#handler.announced(hello.from, { host: hello.host, port: hello.port });
  }
}
