import type { Logger } from "../../base/logger.ts";
import type { Random } from "../../base/random.ts";
import { commonVersion, describeVersions } from "../../base/version_range.ts";
import type { Cancel, Clock } from "../../platform/clock.ts";
import type { Address, Listener, Network } from "../../platform/network.ts";
import type { NodeId } from "../../raft/types.ts";
import type { StoredConfiguration } from "../log/log_store.ts";
import { incarnationsOf } from "../members/configuration.ts";
import { isSame } from "../members/membership.ts";
import { BUILD_VERSIONS, type BuildVersions } from "../members/versions.ts";
import { ProtocolError } from "./frames.ts";
import type { Hello, Lane, Notice, NoticeType, Welcome } from "./hello.ts";
import { PeerInbox, PeerLives } from "./inbox.ts";
import { PeerLinks } from "./link.ts";
import type { PeerMessage } from "./peer_message.ts";

/** The transport as the node uses it. */
export interface Peers {
  send(message: PeerMessage): void;
  flush(): void;
  isConnected(peer: NodeId): boolean;
  /** Address of a peer and why it is not reached; `null` while it is. */
  problem(peer: NodeId): string | null;
  /** Connects to the peers of this plan from now on. */
  follow(plan: PeerPlan): void;
}

/** The peers that a node connects to. */
export interface PeerPlan {
  /** Index of the newest configuration that this node knows. */
  readonly index: number;
  /**
   * Index of the newest committed one. A peer that knows a newer one may know better who takes
   * part.
   */
  readonly committedIndex: number;
  /** Members of the committed configuration. They take part until one without them is committed. */
  readonly committedMembers: ReadonlySet<NodeId>;
  /** The other members and their addresses. */
  readonly addresses: ReadonlyMap<NodeId, Address>;
  /** The members' recorded data directories. */
  readonly incarnations: ReadonlyMap<NodeId, string>;
  /** Former members, which must never take part again. */
  readonly removed: readonly NodeId[];
}

/**
 * Derives the plan from what a node knows of the members.
 *
 * @param committed newest committed configuration; only it can say who is removed
 * @param contacts peers of a node that knows no configuration yet
 * @param announced addresses that members announced
 */
export function peerPlan(
  self: NodeId,
  newest: StoredConfiguration,
  committed: StoredConfiguration,
  contacts: ReadonlyMap<NodeId, Address>,
  announced: ReadonlyMap<NodeId, Address>,
): PeerPlan {
  const { index, configuration: { members } } = newest;
  const known = members.length === 0
    ? [...contacts]
    : members.map(({ id, raftAddress }) => [id, announced.get(id) ?? raftAddress] as const);
  return {
    index,
    committedIndex: committed.index,
    committedMembers: new Set(committed.configuration.members.map(({ id }) => id)),
    addresses: new Map(known.filter(([id]) => id !== self)),
    // The committed record wins: an id has one incarnation for life.
    incarnations: new Map([
      ...incarnationsOf(newest.configuration),
      ...incarnationsOf(committed.configuration),
    ]),
    removed: committed.configuration.removed,
  };
}

export interface PeerTransportOptions {
  readonly id: NodeId;
  readonly clusterId: string;
  /** Where this node listens for its peers. */
  readonly listen: Address;
  /** Where clients reach this node, as announced to peers. */
  readonly clientAddress: Address;
  /** Where peers reach this node, as announced to them. @default `listen` */
  readonly raftAddress?: Address;
  /** Identity of this data directory and process, as announced to peers. */
  readonly credentials: () => Credentials;
  /** Called when an admitted peer has said hello. */
  readonly onHello?: (hello: Hello) => void;
  /** Protocol and machine versions of this build. @default those of this build */
  readonly versions?: BuildVersions;
  /** Maximum total size of the entries of one append that arrive in parts. */
  readonly entryBytesMax: number;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** See the fields of the same names in `Hello`. */
export type Credentials = Pick<Hello, "incarnation" | "life" | "founders" | "isFounded">;

/** Interval in milliseconds before the same refusal is logged again. */
const SAME_REFUSAL_MS = 60_000;
/** Number of different refusals remembered for that. */
const REFUSALS_MAX = 1_000;
/** Maximum number of connections without a hello. One more closes the oldest. */
const UNKNOWN_MAX = 64;
/**
 * Maximum number of nodes that claim to be members by a newer configuration than this node's. A
 * cluster has only a few members.
 */
const UNKNOWN_NODES_MAX = 64;
/** Maximum number of connections without a lane per process: earlier builds have two of them. */
const UNNAMED_MAX = 2;
/**
 * Time in milliseconds for which a link to a former member stays, so that it hears of its removal.
 */
const LEAVING_MS = 3_000;

/** Receives what the peers send. */
export interface PeerHandler {
  onMessage(message: PeerMessage): void;
  /** Recently sent messages may be lost. */
  onUnreachable(peer: NodeId): void;
  /** A peer announced its addresses, its incarnation and the versions of its build. */
  onAnnounced(
    peer: NodeId,
    clientAddress: Address,
    raftAddress: Address,
    incarnation: string,
    versions: BuildVersions,
  ): void;
  /** A peer says that this node was removed from the cluster for good. */
  onRemoved(): void;
  /** A peer, with its address for clients, says that this node may not take part; see `Notice`. */
  onRefused(by: NodeId, why: Exclude<NoticeType, "removed">, at: Address | null): void;
}

/**
 * The node's connections to the other members. To each peer it dials two links and sends its
 * messages on them: entries and snapshots on one, urgent messages on the other. The links that a
 * peer dials end here as inboxes, which receive messages. A link's hello names its lane, `bulk` or
 * `urgent`.
 */
export class PeerTransport {
  readonly #options: PeerTransportOptions;
  readonly #versions: BuildVersions;
  readonly #handler: PeerHandler;
  readonly #links = new Map<NodeId, PeerLinks>();
  readonly #inboxes = new Set<PeerInbox>();
  readonly #lives = new PeerLives();
  /** Links that are about to end. */
  readonly #leaving = new Map<NodeId, Cancel>();
  #plan: PeerPlan = {
    index: 0,
    committedIndex: 0,
    committedMembers: new Set(),
    addresses: new Map(),
    incarnations: new Map(),
    removed: [],
  };
  /** When each refusal was last logged. */
  readonly #refusals = new Map<string, number>();
  #listener: Listener | null = null;
  #isStopped = false;

  constructor(options: PeerTransportOptions, handler: PeerHandler) {
    this.#options = options;
    this.#versions = options.versions ?? BUILD_VERSIONS;
    this.#handler = handler;
  }

  /**
   * Listens.
   *
   * @throws {UserError} when the address cannot be listened on
   */
  async start(): Promise<void> {
    const { listen, network } = this.#options;
    this.#listener = await network.listen(listen, (stream) => {
      // A connection that was accepted before the stop may be delivered after it.
      if (this.#isStopped) return stream.close();
      this.#makeRoom();
      this.#inboxes.add(
        new PeerInbox(stream, {
          self: this.#options.id,
          entryBytesMax: this.#options.entryBytesMax,
          machine: this.#versions.machine,
          clock: this.#options.clock,
          onRefusal: (who, remote, reason) => this.#logRefusal(who, remote, reason),
          onHello: (hello) => this.#admit(hello),
          onMessage: (message) => this.#handleMessage(message),
          onClose: (inbox) => this.#inboxes.delete(inbox),
        }),
      );
    });
  }

  #handleMessage(message: PeerMessage): void {
    if (message.type === "appendReply") this.#links.get(message.from)?.noteReceived(message);
    this.#handler.onMessage(message);
  }

  /**
   * Closes the oldest connection without a hello when there are too many, so that a member can
   * always connect.
   */
  #makeRoom(): void {
    const unknown = [...this.#inboxes].filter(({ peer }) => peer === null);
    const [oldest] = unknown;
    if (oldest === undefined || unknown.length < UNKNOWN_MAX) return;
    this.#logRefusal("an unknown node", "many addresses", `more than ${UNKNOWN_MAX} send no hello`);
    oldest.close();
  }

  /** Connects to the peers of the plan, and later disconnects from all others. */
  follow(plan: PeerPlan): void {
    const before = this.#plan.addresses;
    this.#plan = plan;
    for (const [peer, address] of plan.addresses) {
      this.#stay(peer);
      const links = this.#links.get(peer);
      const known = before.get(peer);
      if (links === undefined) this.#links.set(peer, this.#dial(peer, address));
      // A plan without news does not override what the peer itself announced.
      else if (known === undefined || !isSame(known, address)) links.moveTo(address);
    }
    for (const peer of this.#links.keys()) {
      if (plan.addresses.has(peer) || this.#leaving.has(peer)) continue;
      this.#leaving.set(peer, this.#options.clock.after(LEAVING_MS, () => this.#leave(peer)));
    }
  }

  /** Says hello to all peers again, since its content has changed. */
  renew(): void {
    for (const links of this.#links.values()) links.renew();
  }

  stop(): void {
    this.#isStopped = true;
    this.#listener?.close();
    for (const links of this.#links.values()) links.stop();
    for (const inbox of [...this.#inboxes]) inbox.close();
    for (const cancel of this.#leaving.values()) cancel();
    this.#links.clear();
  }

  /** Takes a message for the next `flush`. */
  send(message: PeerMessage): void {
    this.#links.get(message.to)?.send(message);
  }

  /** Sends what was collected in this turn, in one write per link. */
  flush(): void {
    for (const links of this.#links.values()) links.flush();
  }

  isConnected(peer: NodeId): boolean {
    return this.#links.get(peer)?.isOpen ?? false;
  }

  problem(peer: NodeId): string | null {
    const links = this.#links.get(peer);
    return links === undefined ? "not dialled yet" : links.problem;
  }

  #dial(peer: NodeId, address: Address): PeerLinks {
    const { network, clock, random } = this.#options;
    return new PeerLinks(address, {
      peer,
      hello: (lane) => JSON.stringify(this.#hello(peer, lane)),
      protocol: this.#versions.protocol,
      network,
      clock,
      random,
      onLost: () => this.#handler.onUnreachable(peer),
      onNotice: ({ cluster, to, type, at }) => {
        if (cluster !== this.#options.clusterId || to !== this.#options.id) return;
        if (type === "removed") this.#handler.onRemoved();
        else this.#handler.onRefused(peer, type, at);
      },
    });
  }

  #hello(to: NodeId, lane: Lane): Hello {
    const { id, clusterId, clientAddress, listen, raftAddress = listen } = this.#options;
    const { credentials } = this.#options;
    return {
      ...this.#versions,
      cluster: clusterId,
      from: id,
      to,
      host: clientAddress.host,
      port: clientAddress.port,
      raftHost: raftAddress.host,
      raftPort: raftAddress.port,
      configuration: this.#plan.index,
      ...credentials(),
      lane,
    };
  }

  /** Keeps a link that was about to end: the peer is a member again, or new to us. */
  #stay(peer: NodeId): void {
    this.#leaving.get(peer)?.();
    this.#leaving.delete(peer);
  }

  #leave(peer: NodeId): void {
    this.#leaving.delete(peer);
    this.#links.get(peer)?.stop();
    this.#links.delete(peer);
    this.#closeInboxes((inbox) => inbox.peer === peer);
  }

  #closeInboxes(matches: (inbox: PeerInbox) => boolean): void {
    for (const inbox of [...this.#inboxes]) if (matches(inbox)) inbox.close();
  }

  /** Logs a refusal, but not again and again: a refused node keeps reconnecting. */
  #logRefusal(who: string, remote: string, reason: string): void {
    const nowMs = this.#options.clock.monotonicMs();
    const refusal = `${who}: ${reason}`;
    const lastMs = this.#refusals.get(refusal) ?? -Infinity;
    if (nowMs - lastMs < SAME_REFUSAL_MS) return;
    if (this.#refusals.size >= REFUSALS_MAX) this.#refusals.clear();
    this.#refusals.set(refusal, nowMs);
    this.#options.logger.warn(`closed the connection of ${who} at ${remote}: ${reason}`);
  }

  /**
   * Decides whether the sender may take part. An unknown sender may if it knows a newer
   * configuration: it may be the leader from which this node will learn it.
   */
  #admit(hello: Hello): Welcome | Notice {
    const { id, clusterId } = this.#options;
    if (hello.cluster !== clusterId) {
      throw new ProtocolError(`node ${hello.from} belongs to another cluster, ${hello.cluster}`);
    }
    if (hello.to !== id) {
      throw new ProtocolError(`node ${hello.from} looks for ${hello.to}, but this is ${id}`);
    }
    const protocol = commonVersion(hello.protocol, this.#versions.protocol);
    if (protocol === null) {
      throw new ProtocolError(
        `node ${hello.from} speaks protocol version ${
          describeVersions(hello.protocol)
        }, and this ` +
          `node ${describeVersions(this.#versions.protocol)}`,
      );
    }
    const { removed, addresses, committedIndex, committedMembers, incarnations } = this.#plan;
    const notice = (type: NoticeType) => (
      { type, cluster: clusterId, to: hello.from, at: this.#options.clientAddress }
    );
    if (removed.includes(hello.from)) return notice("removed");
    const recorded = incarnations.get(hello.from);
    if (recorded !== undefined && recorded !== hello.incarnation) return notice("stranger");
    const isKnown = addresses.has(hello.from) || committedMembers.has(hello.from) ||
      this.#leaving.has(hello.from);
    if (!isKnown && hello.configuration <= committedIndex) {
      throw new ProtocolError(`${hello.from} is not a member of the cluster`);
    }
    if (
      !isKnown && !this.#links.has(hello.from) && this.#unknownCount() >= UNKNOWN_NODES_MAX
    ) {
      throw new ProtocolError(
        `more than ${UNKNOWN_NODES_MAX} nodes that are not members say hello`,
      );
    }
    if (!this.#lives.admit(hello.from, hello.life)) return notice("copy");
    // Only a process that is still alive returns. That distinguishes a copy from a restart.
    this.#closeInboxes((inbox) => inbox.peer === hello.from && inbox.life !== hello.life);
    this.#closeReplaced(hello);
    this.#welcome(hello);
    return { type: "welcome", protocol };
  }

  /** The newest connection of each lane counts. Earlier ones are leftovers, or too many. */
  #closeReplaced({ from, lane }: Hello): void {
    const before = [...this.#inboxes].filter((inbox) => inbox.peer === from && inbox.lane === lane);
    const keptCount = lane === null ? UNNAMED_MAX - 1 : 0;
    for (const inbox of before.slice(0, Math.max(0, before.length - keptCount))) inbox.close();
  }

  #unknownCount(): number {
    const { addresses, committedMembers } = this.#plan;
    let count = 0;
    for (const id of this.#links.keys()) {
      if (!addresses.has(id) && !committedMembers.has(id)) count++;
    }
    return count;
  }

  /** Connects back to a sender, at the address that it announces. */
  #welcome(hello: Hello): void {
    const { from, host, port, raftHost, raftPort, protocol, machine } = hello;
    // Before it takes part, a node may still change its directory.
    const incarnation = hello.isFounded ? hello.incarnation : "";
    const raftAddress = { host: raftHost, port: raftPort };
    const links = this.#links.get(from) ?? this.#dial(from, raftAddress);
    this.#links.set(from, links);
    links.moveTo(raftAddress);
    links.dialNow();
    this.#handler.onAnnounced(from, { host, port }, raftAddress, incarnation, {
      protocol,
      machine,
    });
    this.#options.onHello?.(hello);
  }
}
