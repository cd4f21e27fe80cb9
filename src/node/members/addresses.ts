import type { Logger } from "../../base/logger.ts";
import type { Address } from "../../platform/network.ts";
import type { Raft } from "../../raft/mod.ts";
import type { NodeId } from "../../raft/types.ts";
import type { ErrorReply } from "../../resp/reply.ts";
import { moved, NO_LEADER } from "../clients/request.ts";
import type { Batch } from "../log/entry.ts";
import type { StoredConfiguration } from "../log/log_store.ts";
import { type PeerPlan, peerPlan } from "../peers/transport.ts";
import type { Members } from "./members.ts";
import { isSame } from "./membership.ts";
import { describeMembers } from "./report.ts";

export interface MemberAddressesOptions {
  readonly id: NodeId;
  /** The peers of a node that knows no configuration yet. */
  readonly contacts: ReadonlyMap<NodeId, Address>;
  readonly clientAddress: Address;
  readonly raftAddress: Address | undefined;
  /** Identity of this node's own data directory; empty if it has none. */
  readonly incarnation: string;
  /** Addresses given by the operator. @default none, as in the log */
  readonly moved?: ReadonlyMap<NodeId, Address>;
  readonly members: Members;
  readonly raft: Raft<Batch>;
  readonly logger: Logger;
}

/** Where clients and peers reach the members, and who leads. */
export class MemberAddresses {
  readonly #options: MemberAddressesOptions;
  readonly #clients = new Map<NodeId, Address>();
  readonly #rafts = new Map<NodeId, Address>();
  readonly #incarnations = new Map<NodeId, string>();
  /** The node to which leadership was last handed over, or that was last followed. */
  #successor: NodeId | null = null;
  /** The configurations that the transport follows: the newest, and the committed one. */
  #followed: readonly StoredConfiguration[] = [];
  #version = 0;
  /** The newest configuration that `#version` counts. */
  #versioned: StoredConfiguration | null = null;

  constructor(options: MemberAddressesOptions) {
    this.#options = options;
    const { id, clientAddress, raftAddress, moved = new Map<NodeId, Address>() } = options;
    for (const [member, address] of moved) this.#rafts.set(member, address);
    this.#clients.set(id, clientAddress);
    if (options.incarnation !== "") this.#incarnations.set(id, options.incarnation);
    if (raftAddress !== undefined) this.#rafts.set(id, raftAddress);
  }

  /** Takes a member's announcement. `raftAddress` is `null` when it announced none. */
  noteAnnounced(
    id: NodeId,
    clientAddress: Address,
    raftAddress: Address | null,
    incarnation: string,
  ): void {
    if (incarnation !== "") this.#incarnations.set(id, incarnation);
    const known = this.#clients.get(id);
    if (known === undefined || !isSame(known, clientAddress)) this.#version++;
    this.#clients.set(id, clientAddress);
    if (raftAddress !== null) this.#rafts.set(id, raftAddress);
  }

  /** Where clients reach a member; `null` until it announced that. */
  forClients(id: NodeId): Address | null {
    return this.#clients.get(id) ?? null;
  }

  /** The incarnation that a member announced; `null` until it did. */
  incarnationOf(id: NodeId): string | null {
    return this.#incarnations.get(id) ?? null;
  }

  /** Where peers reach a member; `null` until it announced that. */
  forPeers(id: NodeId): Address | null {
    return this.#rafts.get(id) ?? null;
  }

  /** The leader or the last known one. During a handover, the next leader. */
  get lastLeaderId(): NodeId | null {
    return this.#options.raft.leaderId ?? this.#successor;
  }

  /** Where clients reach the leader. */
  leader(): Address | null {
    const { leaderId } = this.#options.raft;
    return leaderId === null ? null : this.forClients(leaderId);
  }

  /**
   * Notes the leader. Must be called often enough to see every leader, and every handover's target.
   */
  noteLeader(leaderId: NodeId | null, transferringTo: NodeId | null): void {
    this.#successor = transferringTo ?? leaderId ?? this.#successor;
  }

  /** The refusal of a request that only the leader can take. */
  redirect(slot: number, isRemoved: boolean): ErrorReply {
    const { id } = this.#options;
    // A removed node no longer hears of leaders.
    const guess = isRemoved && this.#successor !== id
      ? this.forClients(this.#successor ?? "")
      : null;
    const leader = this.leader() ?? guess;
    return leader === null ? NO_LEADER : moved(slot, leader);
  }

  /** The peers to connect to, if they changed since the last call; otherwise `null`. */
  newPlan(): PeerPlan | null {
    const { id, members, raft, contacts, logger } = this.#options;
    const { newest } = members;
    const committed = members.at(raft.commitIndex);
    const [newestBefore, committedBefore] = this.#followed;
    if (newestBefore === newest && committedBefore === committed) return null;
    this.#followed = [newest, committed];
    const isNews = newestBefore !== undefined && newestBefore !== newest;
    if (isNews) logger.info(describeMembers(newest.configuration));
    return peerPlan(id, newest, committed, contacts, this.#rafts);
  }

  /** Changes whenever the members or their addresses for clients change. */
  get version(): number {
    const { newest } = this.#options.members;
    if (newest !== this.#versioned) this.#version++;
    this.#versioned = newest;
    return this.#version;
  }
}
