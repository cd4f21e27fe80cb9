import type { Cancel } from "../../platform/clock.ts";
import type { Address } from "../../platform/network.ts";
import type { NodeId } from "../../raft/types.ts";
import type { Identity } from "../log/data_directory.ts";
import { type Hello, refusedSentence } from "../peers/hello.ts";
import { PeerTransport, type PeerTransportOptions } from "../peers/transport.ts";

/** What another founder reports about itself. */
export interface FounderReport {
  readonly incarnation: string;
  /** The incarnations of all founders, as it has noted them durably; empty before that. */
  readonly founders: ReadonlyMap<NodeId, string>;
  /** Whether it takes part already. */
  readonly isFounded: boolean;
}

/** The next step after a report of another founder. */
export type FoundingStep =
  /** Nothing to do yet. */
  | { readonly type: "wait" }
  /** All founders were heard. Note their incarnations durably, then announce the note. */
  | { readonly type: "note"; readonly founders: ReadonlyMap<NodeId, string> }
  /** All founders have noted the same. This node may take part. */
  | { readonly type: "found"; readonly founders: ReadonlyMap<NodeId, string> }
  /** The cluster was founded with another data directory under this node's id. */
  | { readonly type: "refuse" };

/** What one founder has reported so far. */
interface Heard {
  readonly incarnation: string;
  /** Every note that it has reported, as text. */
  readonly notes: Set<string>;
}

/**
 * Decides when a new cluster may start. Its founders must agree on the data directory of each.
 * Otherwise a member whose directory was emptied later could elect, together with a member that has
 * missed everything, a leader without the acknowledged writes.
 *
 * A founder that has heard all others notes everybody's incarnation, durably, and reports that. It
 * takes part when all others report the same note, or when one reports that it takes part already.
 * Until then it may replace its note if another founder has a new directory. That is safe. Another
 * founder may take part already, because this node reported the old note. But this node did not
 * take part by the old note, so nothing can have been committed with its help.
 *
 * So a founder may restart, or start again with an empty directory, any number of times before all
 * of them have been up at the same time. From then on its directory is its own for good.
 */
export class Founders {
  readonly #self: NodeId;
  readonly #incarnation: string;
  readonly #others: readonly NodeId[];
  readonly #heard = new Map<NodeId, Heard>();
  #noted: ReadonlyMap<NodeId, string>;

  /** @param noted as stored in this directory; empty before the first note */
  constructor(
    self: NodeId,
    incarnation: string,
    members: Iterable<NodeId>,
    noted: ReadonlyMap<NodeId, string>,
  ) {
    this.#self = self;
    this.#incarnation = incarnation;
    this.#others = [...members].filter((id) => id !== self);
    this.#noted = noted;
  }

  /** The founders that were not heard yet. */
  get missing(): readonly NodeId[] {
    return this.#others.filter((id) => !this.#heard.has(id));
  }

  /** The step before anybody is heard. A cluster of one starts by itself. */
  begin(): FoundingStep {
    if (this.#others.length > 0) return { type: "wait" };
    return { type: "found", founders: new Map([[this.#self, this.#incarnation]]) };
  }

  handleReport(from: NodeId, report: FounderReport): FoundingStep {
    if (!this.#others.includes(from)) return { type: "wait" };
    if (report.isFounded) {
      const recorded = report.founders.get(this.#self);
      if (recorded === undefined) return { type: "wait" }; // it joined later, and does not know
      if (recorded !== this.#incarnation) return { type: "refuse" };
      return { type: "found", founders: report.founders };
    }
    const before = this.#heard.get(from);
    const notes = before?.incarnation === report.incarnation ? before.notes : new Set<string>();
    if (report.founders.size > 0) notes.add(textOf(report.founders));
    this.#heard.set(from, { incarnation: report.incarnation, notes });
    return this.#next();
  }

  #next(): FoundingStep {
    if (this.missing.length > 0) return { type: "wait" };
    const founders = new Map([[this.#self, this.#incarnation]]);
    for (const [id, { incarnation }] of this.#heard) founders.set(id, incarnation);
    const text = textOf(founders);
    if (text !== textOf(this.#noted)) {
      this.#noted = founders;
      return { type: "note", founders };
    }
    const areAgreed = [...this.#heard.values()].every(({ notes }) => notes.has(text));
    return areAgreed ? { type: "found", founders } : { type: "wait" };
  }
}

function textOf(founders: ReadonlyMap<NodeId, string>): string {
  return JSON.stringify([...founders].sort(([a], [b]) => a < b ? -1 : 1));
}

/**
 * Interval in milliseconds between two hellos. A hello may be lost, or overtaken by an older one.
 */
const AGAIN_MS = 1_000;
/** Interval in milliseconds between log lines about missing founders. */
const LOG_INTERVAL_MS = 5_000;

export interface FoundingOptions
  extends Omit<PeerTransportOptions, "credentials" | "onHello" | "id" | "clusterId"> {
  /** The stored identity, not founded yet. */
  readonly identity: Identity;
  /** Random id of this process. */
  readonly life: string;
  /** The Raft addresses of all founders. */
  readonly members: ReadonlyMap<NodeId, Address>;
  /** Stores an identity durably before it returns. What it throws goes to `onFailed`. */
  readonly save: (identity: Identity) => void;
  /** Called when this node may take part. The transport is stopped by then. */
  readonly onFounded: (identity: Identity) => void;
  /** Called with the reason why this node may not take part. */
  readonly onRefused: (sentence: string) => void;
  /** Called when the others started without this node, and removed it for good. */
  readonly onRemoved: () => void;
  /** Called when the identity could not be stored. */
  readonly onFailed: (error: unknown) => void;
}

/**
 * The phase before a founder may take part. It talks to the other founders until all know each
 * other's data directories. Consensus does not exist before that.
 */
export class Founding {
  readonly #options: FoundingOptions;
  readonly #founders: Founders;
  readonly #transport: PeerTransport;
  #identity: Identity;
  #isOver = false;
  #cancel: Cancel | null = null;
  #loggedMs: number;

  constructor(options: FoundingOptions) {
    const { identity, members, clock } = options;
    const { nodeId, incarnation, clusterId } = identity;
    this.#options = options;
    this.#identity = identity;
    this.#loggedMs = clock.monotonicMs();
    this.#founders = new Founders(nodeId, incarnation, members.keys(), identity.founders);
    this.#transport = new PeerTransport({
      ...options,
      id: nodeId,
      clusterId,
      credentials: () => ({
        incarnation,
        life: options.life,
        founders: Object.fromEntries(this.#identity.founders),
        isFounded: false,
      }),
      onHello: (hello) => this.#noteHello(hello),
    }, {
      onMessage: () => {}, // there is no consensus before the cluster is founded
      onUnreachable: () => {},
      onAnnounced: () => {},
      onRemoved: () => {
        if (this.#isOver) return;
        this.stop();
        this.#options.onRemoved();
      },
      onRefused: (by, why, at) => this.#refuse(refusedSentence(nodeId, by, why, at)),
    });
  }

  /**
   * Listens, and connects to the others.
   *
   * @throws {UserError} when the address cannot be listened on
   */
  async start(): Promise<void> {
    await this.#transport.start();
    if (this.#isOver) return this.#transport.stop();
    const { identity, members } = this.#options;
    this.#transport.follow({
      index: 0,
      committedIndex: 0,
      committedMembers: new Set(),
      addresses: new Map([...members].filter(([id]) => id !== identity.nodeId)),
      incarnations: new Map(),
      removed: [],
    });
    this.#step(this.#founders.begin());
    this.#sayHelloAgain();
  }

  stop(): void {
    this.#isOver = true;
    this.#cancel?.();
    this.#transport.stop();
  }

  #noteHello({ from, incarnation, founders, isFounded, host, port }: Hello): void {
    if (this.#isOver) return;
    const report = { incarnation, founders: new Map(Object.entries(founders)), isFounded };
    const step = this.#founders.handleReport(from, report);
    const { nodeId } = this.#identity;
    if (step.type === "refuse") {
      this.#refuse(refusedSentence(nodeId, from, "stranger", { host, port }));
    } else this.#step(step);
  }

  #step(step: FoundingStep): void {
    if (step.type === "note") {
      if (this.#save({ ...this.#identity, founders: step.founders })) this.#transport.renew();
    } else if (step.type === "found") {
      if (!this.#save({ ...this.#identity, founders: step.founders, isFounded: true })) return;
      this.stop();
      this.#options.onFounded(this.#identity);
    }
  }

  #save(identity: Identity): boolean {
    try {
      this.#options.save(identity);
    } catch (error) {
      this.stop();
      this.#options.onFailed(error);
      return false;
    }
    this.#identity = identity;
    return true;
  }

  #refuse(sentence: string): void {
    if (this.#isOver) return;
    this.stop();
    this.#options.onRefused(sentence);
  }

  #sayHelloAgain(): void {
    if (this.#isOver) return;
    this.#cancel = this.#options.clock.after(AGAIN_MS, () => {
      this.#logMissing();
      this.#transport.renew();
      this.#sayHelloAgain();
    });
  }

  #logMissing(): void {
    const { clock, logger, members } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#loggedMs < LOG_INTERVAL_MS) return;
    this.#loggedMs = nowMs;
    const { missing } = this.#founders;
    const present = members.size - missing.length;
    const reasons = missing.map((id) =>
      `${id} ${this.#transport.problem(id) ?? "has not answered"}`
    );
    logger.warn(
      `waits for all members to start, since founding a cluster needs all of them: ` +
        `${present} of ${members.size} heard; ${reasons.join("; ")}`,
    );
  }
}
