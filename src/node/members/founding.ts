import type { Cancel } from "../../platform/clock.ts";
import type { Address } from "../../platform/network.ts";
import type { NodeId } from "../../raft/types.ts";
import { refusedSentence } from "../clients/request.ts";
import type { Identity } from "../log/data_directory.ts";
import type { Hello } from "../peers/hello.ts";
import { PeerTransport, type PeerTransportOptions } from "../peers/transport.ts";

/** What another founder has said. */
export interface FounderWord {
  readonly incarnation: string;
  /** The incarnations of all founders, as it has noted them for good; empty: not yet. */
  readonly founders: ReadonlyMap<NodeId, string>;
  /** Whether it takes part already. */
  readonly isFounded: boolean;
}

/** What a word of another founder changes. */
export type FoundingStep =
  /** Nothing yet. */
  | { readonly type: "wait" }
  /** All founders were heard: this is to be kept durably, and then said. */
  | { readonly type: "note"; readonly founders: ReadonlyMap<NodeId, string> }
  /** All founders have noted the same: this node may take part. */
  | { readonly type: "found"; readonly founders: ReadonlyMap<NodeId, string> }
  /** The cluster has been founded with another data directory under this node's id. */
  | { readonly type: "refuse" };

interface Heard {
  readonly incarnation: string;
  /** Every note that it has ever spoken of. */
  readonly notes: Set<string>;
}

/**
 * When a new cluster may begin: its founders must agree which data directory each of them has, or a
 * directory that was emptied later could vote, together with a member that has missed everything,
 * for a history without what was acknowledged.
 *
 * A founder that has heard all others notes everybody's incarnation, durably, and says so. It takes
 * part when all have said that they have noted the same, or when one says that it takes part
 * already. As long as it does not, it may note anew that another founder has a new directory: until
 * then nobody can have committed anything with its help, since whoever takes part has its word for
 * another note, which it has left without having taken part by it.
 *
 * So a founder may be started again, or begin with another empty directory, as often as one likes
 * before all of them are up for the first time; from then on its directory is its own for good.
 */
export class Founders {
  readonly #self: NodeId;
  readonly #incarnation: string;
  readonly #others: readonly NodeId[];
  readonly #heard = new Map<NodeId, Heard>();
  #noted: ReadonlyMap<NodeId, string>;

  /** @param noted as this directory has kept it; empty when it has noted nothing yet */
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

  /** Who has not been heard yet. */
  get missing(): readonly NodeId[] {
    return this.#others.filter((id) => !this.#heard.has(id));
  }

  /** What can be done before anybody is heard: a cluster of one begins by itself. */
  begin(): FoundingStep {
    if (this.#others.length > 0) return { type: "wait" };
    return { type: "found", founders: new Map([[this.#self, this.#incarnation]]) };
  }

  heard(from: NodeId, word: FounderWord): FoundingStep {
    if (!this.#others.includes(from)) return { type: "wait" };
    if (word.isFounded) {
      const recorded = word.founders.get(this.#self);
      if (recorded === undefined) return { type: "wait" }; // it joined, and others know better
      if (recorded !== this.#incarnation) return { type: "refuse" };
      return { type: "found", founders: word.founders };
    }
    const before = this.#heard.get(from);
    const notes = before?.incarnation === word.incarnation ? before.notes : new Set<string>();
    if (word.founders.size > 0) notes.add(textOf(word.founders));
    this.#heard.set(from, { incarnation: word.incarnation, notes });
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

/** A hello may be lost, or overtaken by an older one: it is said again so often. */
const AGAIN_MS = 1_000;
/** How often a node says whom it waits for. */
const TELL_MS = 5_000;

export interface FoundingOptions
  extends Omit<PeerTransportOptions, "credentials" | "onHello" | "id" | "clusterId"> {
  /** As it is kept; not founded yet. */
  readonly identity: Identity;
  /** Of this process alone. */
  readonly life: string;
  /** The Raft addresses of all founders. */
  readonly members: ReadonlyMap<NodeId, Address>;
  /** Keeps an identity durably, before it returns; what it throws goes to `onFailed`. */
  readonly save: (identity: Identity) => void;
  /** This node may take part; nothing is listened on any more. */
  readonly onFounded: (identity: Identity) => void;
  /** This node may not take part, for the reason in this sentence. */
  readonly onRefused: (sentence: string) => void;
  /** The others began without this node, and have removed it for good. */
  readonly onRemoved: () => void;
  /** The identity could not be kept. */
  readonly onFailed: (error: unknown) => void;
}

/**
 * The time of a founder before it may take part: it talks with the other founders until all of them
 * know which data directory each of them has. Nothing of the consensus exists before.
 */
export class Founding {
  readonly #options: FoundingOptions;
  readonly #founders: Founders;
  readonly #transport: PeerTransport;
  #identity: Identity;
  #isOver = false;
  #cancel: Cancel | null = null;
  #toldMs: number;

  constructor(options: FoundingOptions) {
    const { identity, members, clock } = options;
    const { nodeId, incarnation, clusterId } = identity;
    this.#options = options;
    this.#identity = identity;
    this.#toldMs = clock.monotonicMs();
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
      onHello: (hello) => this.#heard(hello),
    }, {
      message: () => {}, // nothing is agreed on with anybody before the cluster is founded
      unreachable: () => {},
      announced: () => {},
      removed: () => {
        if (this.#isOver) return;
        this.stop();
        this.#options.onRemoved();
      },
      refused: (by, why, at) => this.#refuse(refusedSentence(nodeId, by, why, at)),
    });
  }

  /** Listens, and dials the others. @throws when the address cannot be listened on */
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
    this.#sayAgain();
  }

  stop(): void {
    this.#isOver = true;
    this.#cancel?.();
    this.#transport.stop();
  }

  #heard({ from, incarnation, founders, isFounded, host, port }: Hello): void {
    if (this.#isOver) return;
    const word = { incarnation, founders: new Map(Object.entries(founders)), isFounded };
    const step = this.#founders.heard(from, word);
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

  #sayAgain(): void {
    if (this.#isOver) return;
    this.#cancel = this.#options.clock.after(AGAIN_MS, () => {
      this.#tell();
      this.#transport.renew();
      this.#sayAgain();
    });
  }

  #tell(): void {
    const { clock, logger, members } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#toldMs < TELL_MS) return;
    this.#toldMs = nowMs;
    const { missing } = this.#founders;
    const present = members.size - missing.length;
    const reasons = missing.map((id) =>
      `${id} ${this.#transport.problem(id) ?? "has not answered"}`
    );
    logger.warn(
      `waits for all members to be up once, as the founding needs: ` +
        `${present} of ${members.size} heard; ${reasons.join("; ")}`,
    );
  }
}
