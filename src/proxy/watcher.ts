import type { ClusterSecret } from "../access/peer_proof.ts";
import { formatAddress, parseAddress } from "../base/address.ts";
import type { Logger } from "../base/logger.ts";
import type { Random } from "../base/random.ts";
import type { Clock } from "../platform/clock.ts";
import { type Address, type Network, shortReason, type Stream } from "../platform/network.ts";
import { decodeReply, ReplyScanner } from "../resp/reply_scanner.ts";
import { Greeting } from "./greeting.ts";
import { Backoff } from "./node_links.ts";
import { type NodeState, parseNodeState, type Topology } from "./topology.ts";

/**
 * Silence in ms after which a second connection is tried: the network may work again. By then the
 * node counts as silent, so that its other connections are replaced as well.
 */
const CONTEND_AFTER_MS = 220;
/** Interval in ms of new attempts. The kernel's own retries come at growing intervals. */
const CONTEND_EVERY_MS = 250;
/** Silence in ms after which a connection is closed: the machine may be down. */
const GIVE_UP_AFTER_MS = 1_000;
/** Maximum bytes of a reported state; a peer that sends more is not a node. */
const REPLY_BYTES_MAX = 1024 * 1024;
/** The problem with a node that is connected but silent. */
const SILENT = "does not answer";

interface NodeWatcherOptions {
  readonly address: Address;
  readonly intervalMs: number;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly secret: ClusterSecret | null;
  readonly events: NodeWatcherEvents;
}

interface NodeWatcherEvents {
  /** Why a node that reports this state must not be used; `null` when it may. */
  objection(state: NodeState): string | null;
  reported(state: NodeState): void;
  disconnected(): void;
  /** The other side is not a usable node; called once for each reason. */
  refused(reason: string): void;
}

/** One connection to the node, or the attempt to open one. */
interface WatchConnection {
  readonly stream: Stream;
  readonly scanner: ReplyScanner;
  readonly greeting: Greeting;
  isOpen: boolean;
}

/**
 * The connection over which one node reports its state. It is opened again whenever it ends. When
 * it falls silent, a second one is tried. If the second one opens, the node exists but is busy or
 * stopped. If the node reports on the second one first, it replaces the first: after an
 * interruption the kernel retransmits on an old connection at growing intervals only.
 */
class NodeWatcher {
  readonly #options: NodeWatcherOptions;
  readonly #backoff: Backoff;
  #connection: WatchConnection | null = null;
  #contender: WatchConnection | null = null;
  /** How long in ms nothing has arrived, counting only time in which this process ran. */
  #silentMs = 0;
  /** Time in ms since the second connection was tried, counted in the same way. */
  #sinceContenderMs = 0;
  /** The last reason for which the node was refused; empty once it reports. */
  #refusal = "";
  /** Why the last connection ended, or could not be opened. */
  #reason = "not reached yet";

  constructor(options: NodeWatcherOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.random);
    this.#open();
  }

  /**
   * Opens a closed connection when it is due, and replaces one that has been silent for long.
   *
   * @param awakeMs how long this process ran since the last call
   */
  tick(nowMs: number, awakeMs: number): void {
    this.#silentMs += awakeMs;
    this.#sinceContenderMs += awakeMs;
    if (this.#connection === null) {
      if (nowMs >= this.#backoff.notBeforeMs) this.#open();
    } else if (this.#silentMs > GIVE_UP_AFTER_MS) {
      this.#giveUp();
    } else if (
      this.#silentMs > CONTEND_AFTER_MS && this.#sinceContenderMs > CONTEND_EVERY_MS &&
      !(this.#contender?.isOpen ?? false)
    ) {
      this.#contend();
    }
  }

  /** Why the node does not report, if it does not. */
  get problem(): string {
    return this.#reason;
  }

  close(): void {
    this.#connection?.stream.close();
    this.#contender?.stream.close();
    this.#connection = this.#contender = null;
  }

  #open(): void {
    this.#silentMs = 0;
    this.#connection = this.#connect();
  }

  #contend(): void {
    this.#sinceContenderMs = 0;
    this.#contender?.stream.close();
    this.#contender = this.#connect();
  }

  #giveUp(): void {
    this.#reason = SILENT;
    const contender = this.#contender;
    if (!(contender?.isOpen ?? false)) return this.#end();
    this.#connection?.stream.close();
    this.#promote();
  }

  /** Replaces the first connection by the second. */
  #promote(): void {
    this.#connection = this.#contender;
    this.#contender = null;
    this.#silentMs = 0;
  }

  #connect(): WatchConnection {
    const { address, network, secret, intervalMs } = this.#options;
    const watch = ["CLUSTER", "WATCH", String(intervalMs)];
    const greeting = new Greeting(secret, [["HELLO", "3"], watch]);
    const scanner = new ReplyScanner({ replyBytesMax: REPLY_BYTES_MAX });
    const stream = network.connect(address, {
      onOpen: () => {
        connection.isOpen = true;
        stream.write(connection.greeting.first);
      },
      onData: (bytes) => this.#received(connection, bytes),
      onClose: (reason) => this.#closed(connection, reason),
    });
    const connection: WatchConnection = { stream, scanner, greeting, isOpen: false };
    return connection;
  }

  #received(connection: WatchConnection, bytes: Uint8Array): void {
    if (connection !== this.#connection && connection !== this.#contender) return;
    connection.scanner.push(bytes);
    for (;;) {
      const scanned = connection.scanner.next();
      if (scanned.kind === "incomplete") return;
      if (scanned.kind === "invalid") return this.#refuse(`sent invalid RESP: ${scanned.error}`);
      if (!scanned.text.startsWith(">")) {
        if (!this.#greeted(connection, scanned.text)) return;
        continue;
      }
      const state = stateIn(scanned.text);
      if (state === null) return this.#refuse("sent a state that cannot be read");
      const objection = this.#options.events.objection(state);
      if (objection !== null) return this.#refuse(objection);
      this.#backoff.noteSuccess();
      this.#refusal = "";
      this.#reason = SILENT;
      this.#keepOnly(connection);
      this.#options.events.reported(state);
      if (this.#connection === null) return;
    }
  }

  /** Takes a reply to the greeting. Returns whether the connection goes on. */
  #greeted({ stream, greeting }: WatchConnection, text: string): boolean {
    const step = greeting.next(text);
    if (step.kind === "send") stream.write(step.text);
    if (step.kind === "refused") this.#refuse(step.reason);
    return step.kind !== "refused";
  }

  /** The node reports on this connection, so the other one is closed. */
  #keepOnly(connection: WatchConnection): void {
    this.#silentMs = 0;
    if (connection === this.#contender) {
      this.#connection?.stream.close();
      this.#promote();
    } else if (this.#contender !== null) {
      this.#contender.stream.close();
      this.#contender = null;
    }
  }

  #refuse(reason: string): void {
    if (reason !== this.#refusal) this.#options.events.refused(reason);
    this.#refusal = reason;
    this.#reason = reason;
    this.#contender?.stream.close();
    this.#contender = null;
    this.#end();
  }

  #closed(connection: WatchConnection, reason: string): void {
    this.#reason = shortReason(reason);
    if (connection === this.#contender) this.#contender = null;
    else if (connection === this.#connection) this.#end();
  }

  #end(): void {
    this.#connection?.stream.close();
    this.#promote();
    if (this.#connection === null) this.#backoff.noteFailure(this.#options.clock.monotonicMs());
    this.#options.events.disconnected();
  }
}

function stateIn(text: string): NodeState | null {
  try {
    return parseNodeState(decodeReply(text));
  } catch {
    return null; // its lengths are well-formed, but its content is not
  }
}

export interface ClusterWatcherOptions {
  /** Addresses to begin with, and to return to when no member responds. */
  readonly seeds: readonly Address[];
  readonly intervalMs: number;
  readonly topology: Topology;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** By which this process proves itself to nodes. @default none */
  readonly secret?: ClusterSecret | null;
  /** Called when something that matters to routing has changed. */
  readonly changed: () => void;
  /** Called with the version of the users in each report. @default nobody wants to know */
  readonly usersReported?: (version: number) => void;
}

/**
 * Watches all nodes of the cluster. Finds them through any one, and follows their address changes.
 */
export class ClusterWatcher {
  readonly #options: ClusterWatcherOptions;
  readonly #seeds: readonly string[];
  readonly #watchers = new Map<string, NodeWatcher>();
  /** The members' addresses by id, as last reported by any node. */
  #members: ReadonlyMap<string, string> = new Map();
  /**
   * The id last reported at each address, to recognise a seed that is another address of a member.
   */
  readonly #ids = new Map<string, string>();

  /** The cluster of the node that reported first; empty before that. */
  #clusterId = "";

  constructor(options: ClusterWatcherOptions) {
    this.#options = options;
    this.#seeds = options.seeds.map(formatAddress);
  }

  start(): void {
    this.refresh();
  }

  /** @param awakeMs how long in ms this process ran since the last call */
  tick(nowMs: number, awakeMs: number): void {
    for (const watcher of [...this.#watchers.values()]) watcher.tick(nowMs, awakeMs);
  }

  /** The members' ids; the seeds, while no node has reported the members. */
  get members(): readonly string[] {
    return this.#members.size === 0 ? this.#seeds : [...this.#members.keys()];
  }

  /** The address of one of the `members`, and why it does not report; `null` when it does. */
  problem(member: string): string | null {
    const address = this.#members.get(member) ?? member;
    for (const node of this.#options.topology.nodes) {
      const isIt = node.address === address || node.state?.id === member;
      if (isIt && node.isResponsive) return null;
    }
    const reason = this.#watchers.get(address)?.problem ?? "not watched";
    return address === member ? reason : `${address}: ${reason}`;
  }

  stop(): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  /**
   * A dead node's address may later belong to another cluster, where nothing may be read or
   * written.
   */
  #objection({ clusterId }: NodeState): string | null {
    if (this.#clusterId === "") this.#clusterId = clusterId;
    if (clusterId === "" || clusterId === this.#clusterId) return null;
    return `belongs to cluster ${clusterId}, not to ${this.#clusterId}`;
  }

  #reported(address: string, state: NodeState): void {
    const { topology, logger, changed } = this.#options;
    this.#ids.set(address, state.id);
    const node = topology.node(address);
    if (node === undefined) return;
    this.#options.usersReported?.(state.usersVersion);
    const wasResponsive = node.isResponsive;
    if (!topology.noteReport(address, state)) return;
    if (!wasResponsive) logger.info(`node ${node.label} answers`);
    this.refresh();
    changed();
  }

  #disconnected(address: string): void {
    const { topology, logger, changed } = this.#options;
    const node = topology.node(address);
    if (node === undefined || !topology.noteDisconnect(address)) return;
    logger.warn(`node ${node.label} is disconnected`);
    this.refresh();
    changed();
  }

  /**
   * Starts and stops watching, so that the nodes of the current topology are watched, and no
   * others.
   */
  refresh(): void {
    const { topology } = this.#options;
    const known = topology.memberAddresses();
    if (known.size > 0) this.#members = known;
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
    // The same node responds at the address that the others report for it.
    if (id !== undefined && answers(this.#members.get(id))) return false;
    return this.#seeds.includes(address) || answers(address);
  }

  #watch(text: string): void {
    const address = parseAddress(text);
    if (address === null) return;
    const { topology, intervalMs, network, clock, random, logger, secret = null } = this.#options;
    topology.add(text);
    const events = {
      objection: (state: NodeState) => this.#objection(state),
      reported: (state: NodeState) => this.#reported(text, state),
      disconnected: () => this.#disconnected(text),
      refused: (reason: string) => logger.warn(`${text} cannot be used: ${reason}`),
    };
    const options = { address, intervalMs, network, clock, random, secret, events };
    this.#watchers.set(text, new NodeWatcher(options));
  }

  #unwatch(address: string): void {
    this.#watchers.get(address)?.close();
    this.#watchers.delete(address);
    this.#options.topology.remove(address);
    if (!this.#seeds.includes(address)) this.#ids.delete(address);
  }
}
