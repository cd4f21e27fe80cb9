import { textOf } from "../../src/base/byte_string.ts";
import { AssertionFailure } from "../../src/base/errors.ts";
import type { LogEntry } from "../../src/node/log/entry.ts";
import { type ClusterConfiguration, incarnationsOf } from "../../src/node/members/configuration.ts";
import type { StateReport } from "../../src/node/members/report.ts";
import { isClockMessage, type PeerMessage } from "../../src/node/peers/peer_message.ts";
import type { SnapshotMeta } from "../../src/node/snapshots/snapshot.ts";
import { majority } from "../../src/raft/mod.ts";
import type { HardState, NodeId } from "../../src/raft/types.ts";
import type { DurableLog } from "./durable_log.ts";
import type { KnownState } from "./observed_machine.ts";
import type { SeenLog } from "./seen_log.ts";
import { hashText } from "./trace.ts";

/** What the oracle sees of one node. */
export interface Witness {
  readonly id: NodeId;
  /** The log as the node sees it, or saw it before it went down. */
  readonly log: SeenLog;
  readonly durable: DurableLog;
  /** The content of a disk that was lost: it counted, and is gone. */
  readonly lost: DurableLog | null;
  /** `null` while the node is down. */
  report(): StateReport | null;
}

interface Committed {
  readonly term: number;
  /** It was committed in this term or an earlier one. */
  readonly byTerm: number;
}

/**
 * Sees what the nodes send, write and apply, and asserts what Raft promises (Raft paper, figure 3),
 * that nothing is sent or acknowledged before it is durable, and that equal logs give equal states.
 */
export class Oracle {
  readonly #witnesses: ReadonlyMap<NodeId, Witness>;
  /** The members after each committed change, in ascending order. */
  readonly #configurations: {
    readonly index: number;
    readonly configuration: ClusterConfiguration;
  }[];
  /** Ids of removed members. */
  readonly #removed = new Set<NodeId>();
  /** Number of committed changes of members. */
  changes = 0;
  readonly #leaders = new Map<number, NodeId>();
  readonly #votes = new Map<string, NodeId>();
  /** A hash of each entry ever written, by index and term, and the term before it. */
  readonly #written = new Map<string, number>();
  readonly #committed: Committed[] = [];
  /** The last committed entry that changes anything. */
  #lastCommand = 0;
  /** What each node's log has reported as durable. */
  readonly #promised = new Map<NodeId, HardState>();
  readonly #commitIndexes = new Map<NodeId, number>();
  readonly #states = new Map<number, number>();
  /** The state of each snapshot when it was taken, by its index. */
  readonly #snapshots = new Map<number, KnownState>();
  /** The term in which each node led at the end of its last turn; 0 if in none. */
  readonly #leadTerms = new Map<NodeId, number>();
  /**
   * The last entry that the newest leader a node has heard may have compared with the node's log.
   */
  readonly #shown = new Map<NodeId, { readonly term: number; readonly upTo: number }>();
  /** Number of snapshots started, and of those that replaced a log. */
  readonly snapshotCounts = { begun: 0, installed: 0 };
  /** The first violation. */
  failure: string | null = null;

  constructor(witnesses: ReadonlyMap<NodeId, Witness>, founders: ClusterConfiguration) {
    this.#witnesses = witnesses;
    this.#configurations = [{ index: 0, configuration: founders }];
  }

  /** The committed configuration of the cluster. */
  get configuration(): ClusterConfiguration {
    return this.#configurations.at(-1)?.configuration ?? { members: [], removed: [] };
  }

  get commitMax(): number {
    return this.#committed.length;
  }

  get termsLed(): number {
    return this.#leaders.size;
  }

  /** A founder begins to take part: all founders started with the same directories. */
  founded(id: NodeId, founders: ReadonlyMap<NodeId, string>): void {
    const [first] = this.#configurations;
    if (first === undefined || founders.size === 0) return;
    const incarnations = incarnationsOf(first.configuration);
    const members = first.configuration.members.map((member) => ({
      ...member,
      incarnation: founders.get(member.id) ?? this.fail(`${id} begins without ${member.id}`),
    }));
    for (const [founder, incarnation] of founders) {
      if ((incarnations.get(founder) ?? incarnation) === incarnation) continue;
      this.fail(`${id} begins with ${incarnation}, others with ${incarnations.get(founder)}`);
    }
    this.#configurations.splice(0, 1, { index: 0, configuration: { members, removed: [] } });
  }

  fail(what: string): never {
    this.failure ??= what;
    throw new AssertionFailure(what);
  }

  /** A node is about to handle a message. */
  handling(message: PeerMessage): void {
    if (message.type === "append") {
      this.#show(message.to, message.term, message.prevIndex + message.entries.length);
    } else if (message.type === "heartbeat") this.#show(message.to, message.term, message.commit);
  }

  /** A message is sent: what it claims must be durable. */
  sent(message: PeerMessage): void {
    if (isClockMessage(message)) return;
    const { type, from, to, term } = message;
    if (type === "preVote" || type === "preVoteReply") return;
    if (type === "snapshotReply") return; // it counts bytes, and promises nothing
    const { durable, log } = this.#witness(from);
    const { hardState } = durable;
    const what = `${type} ${from}->${to} of term ${term}`;
    if (hardState.term < term) this.fail(`${what} leaves, durable is term ${hardState.term}`);
    const candidate = type === "vote" ? from : type === "voteReply" && message.granted ? to : null;
    if (candidate !== null) {
      this.#voted(term, from, candidate);
      if (hardState.term === term && hardState.vote !== candidate) {
        this.fail(`${what} leaves, durable is the vote for ${hardState.vote}`);
      }
    }
    if (type !== "appendReply" || !message.accepted || message.index === 0) return;
    // A message of an older term was true before a newer leader's log replaced it, in the same
    // sync.
    if (hardState.term > term) return;
    const { index } = message;
    const isReplaced = (this.#witness(from).report()?.term ?? 0) > term;
    const isKept = isReplaced
      ? durable.lastIndex >= index
      : durable.termAt(index) === log.termAt(index);
    if (!isKept && durable.snapshotIndex < index) {
      this.fail(`${what} accepts ${index}, durable is an entry of term ${durable.termAt(index)}`);
    }
  }

  /** Log matching, and that a leader only appends. */
  appending(id: NodeId, entries: readonly LogEntry[]): void {
    const [first] = entries;
    if (first === undefined) return;
    const witness = this.#witness(id);
    const { log } = witness;
    if (first.index <= log.lastIndex) {
      if (witness.report()?.role === "leader") {
        this.fail(`leader ${id} cuts its log at ${first.index}`);
      }
      if (first.index <= (this.#commitIndexes.get(id) ?? 0)) {
        this.fail(`${id} cuts off the committed entry ${first.index}`);
      }
    }
    for (const entry of entries) this.#checkChange(witness, entry);
    if (first.index <= log.base.index) this.fail(`${id} cuts off what a snapshot covers`);
    this.#writeAll(id, entries, log.termAt(first.index - 1));
  }

  /** Changes come one at a time, of one voter at most, and no removed id comes back. */
  #checkChange(witness: Witness, { index, data }: LogEntry): void {
    const next = data?.configuration ?? null;
    const { id, log } = witness;
    const now = witness.report();
    if (next === null || now?.role !== "leader") return;
    const { commitIndex } = now;
    const open = log.entries.find((one) => one.index > commitIndex && one.data?.configuration);
    if (open !== undefined) this.fail(`${id} changes members at ${index}, ${open.index} is open`);
    const before = votersOf(now.members);
    const after = votersOf(next.members);
    const changed = before.filter((voter) => !after.includes(voter)).length +
      after.filter((voter) => !before.includes(voter)).length;
    if (changed > 1) this.fail(`${id} changes the voters from ${before} to ${after} at ${index}`);
  }

  #changed(id: NodeId, index: number, configuration: ClusterConfiguration): void {
    const { members, removed } = configuration;
    for (const known of this.#removed) {
      const isBack = members.some((member) => member.id === known) || !removed.includes(known);
      if (isBack) this.fail(`${id} commits ${index}, by which ${known} is removed no more`);
    }
    for (const one of removed) this.#removed.add(one);
    this.#configurations.push({ index, configuration });
    this.changes++;
  }

  /** A snapshot replaces the log: it must consist of committed entries. */
  resetting(id: NodeId, index: number, term: number): void {
    this.#checkCommitted(id, "installs a snapshot of", index, term);
    if (index <= (this.#commitIndexes.get(id) ?? 0)) {
      this.fail(`${id} goes back to entry ${index} by a snapshot`);
    }
    this.#commitIndexes.set(id, index);
    this.snapshotCounts.installed++;
  }

  /** Only what a durable snapshot covers may be dropped. */
  compacting(id: NodeId, index: number): void {
    const { snapshotIndex } = this.#witness(id).durable;
    if (index > snapshotIndex) {
      this.fail(
        `${id} forgets entries up to ${index}, its durable snapshot ends at ${snapshotIndex}`,
      );
    }
  }

  /** A node begins to take a snapshot of this state. */
  snapshotBegun(id: NodeId, meta: SnapshotMeta, state: KnownState): void {
    const { index, term } = meta;
    // A no-op is applied without a call, and the turn in which it was committed goes on.
    const report = this.#witness(id).report();
    if (report !== null && index <= report.commitIndex) {
      this.#learnCommitted(id, index, report.term);
    }
    this.#checkCommitted(id, "takes a snapshot of", index, term);
    const members = this.#configurations.findLast((one) => one.index <= index);
    if (JSON.stringify(members?.configuration) !== JSON.stringify(meta.configuration)) {
      this.fail(`${id} takes a snapshot of ${index} with other members than were committed there`);
    }
    this.snapshotCounts.begun++;
    const { log } = this.#witness(id);
    for (let later = state.index + 1; later <= index; later++) {
      if (log.at(later)?.data !== null) {
        this.fail(`${id} takes a snapshot of ${index} without ${later}`);
      }
    }
    const known = this.#snapshots.get(index) ?? { ...state, index };
    if (known.text !== state.text || known.hash !== state.hash || state.index > index) {
      this.fail(`${id} takes another snapshot of entry ${index} than was taken before`);
    }
    this.#snapshots.set(index, known);
  }

  /** A snapshot has replaced a node's state. @returns the state when it was taken */
  restored(id: NodeId, index: number): KnownState {
    return this.#snapshots.get(index) ??
      this.fail(`${id} has a snapshot of ${index}, nobody took it`);
  }

  /** The log reports that this is durable. */
  persisted(id: NodeId, hardState: HardState | null, entries: readonly LogEntry[]): void {
    const { durable, log } = this.#witness(id);
    const isKept = hardState === null || durable.hardState.term > hardState.term ||
      (durable.hardState.term === hardState.term &&
        (hardState.vote === null || hardState.vote === durable.hardState.vote));
    if (!isKept) this.fail(`${id} takes term ${hardState?.term} for durable, and it is not`);
    if (hardState !== null) this.#promised.set(id, hardState);
    for (const { index, term } of entries) {
      const isReplaced = log.termAt(index) !== term;
      if (!isReplaced && durable.termAt(index) !== term) {
        this.fail(`${id} takes entry ${index}/${term} for durable, and it is not`);
      }
    }
  }

  /**
   * A read arrives at a node: it must see everything that was committed anywhere by now.
   *
   * @returns a function to call with the node's state when the read is answered from it
   */
  asked(id: NodeId): (index: number) => void {
    const needed = this.#lastCommand;
    return (index) => {
      if (index < needed) this.fail(`${id} reads at entry ${index} and misses entry ${needed}`);
    };
  }

  /** The node is about to execute this entry: it is committed, and may be acknowledged. */
  applying(id: NodeId, index: number): void {
    this.#learnCommitted(id, index, this.#witness(id).report()?.term ?? 0);
  }

  /** State machine safety. */
  applied(id: NodeId, index: number, stateHash: number): void {
    const known = this.#states.get(index) ?? stateHash;
    if (known !== stateHash) this.fail(`the state of ${id} at entry ${index} is not the others'`);
    this.#states.set(index, known);
  }

  /** Called after each turn of a node. */
  turnEnded(id: NodeId): void {
    const report = this.#witness(id).report();
    if (report === null) return;
    const before = this.#commitIndexes.get(id) ?? 0;
    if (report.commitIndex < before) this.fail(`the commit index of ${id} went back`);
    if (report.appliedIndex > report.commitIndex) this.fail(`${id} applied what is not committed`);
    const ledTerm = this.#leadTerms.get(id) ?? 0;
    this.#leadTerms.set(id, report.role === "leader" ? report.term : 0);
    if (report.role === "leader") this.#leads(id, report.term);
    // A leader commits entries of older terms only along with one of its own (§5.4.2).
    const { log, durable } = this.#witness(id);
    const lastTerm = log.termAt(report.commitIndex);
    const commits = report.commitIndex > before && report.commitIndex > this.#committed.length;
    if (commits && report.role === "leader" && ledTerm === report.term && lastTerm !== ledTerm) {
      this.fail(`leader ${id} of term ${ledTerm} commits ${report.commitIndex}/${lastTerm}`);
    }
    const shown = this.#shown.get(id);
    const follows = report.role === "follower" && ledTerm === 0 && shown?.term === report.term;
    const known = follows ? Math.max(before, shown.upTo, durable.snapshotIndex) : Infinity;
    if (follows && report.commitIndex > known) {
      this.fail(`${id} commits ${report.commitIndex}, its leader has shown ${shown.upTo} entries`);
    }
    if (report.commitIndex > before) this.#learnCommitted(id, report.commitIndex, report.term);
  }

  /** A node restarts with this log. Before, at least the durable part was there. */
  restarted(id: NodeId, before: DurableLog, hardState: HardState): void {
    const { log } = this.#witness(id);
    this.#commitIndexes.delete(id);
    this.#leadTerms.delete(id);
    this.#shown.delete(id);
    for (const { term, vote } of [before.hardState, this.#promised.get(id) ?? before.hardState]) {
      const isKept = hardState.term > term ||
        (hardState.term === term && (vote === null || hardState.vote === vote));
      if (!isKept) this.fail(`${id} forgot term ${term} and its vote for ${vote}`);
    }
    const { base } = log;
    if (base.index > 0) this.#checkCommitted(id, "begins behind", base.index, base.term);
    for (const { index, term } of log.entries) {
      const key = `${index}/${term}`;
      if (!this.#written.has(key)) this.fail(`${id} found entry ${key}, which nobody wrote`);
    }
    this.#writeAll(id, log.entries, base.term);
    this.#checkKept(id, before);
  }

  /** What was durable is found again, or covered by a snapshot, or cut off by other entries. */
  #checkKept(id: NodeId, before: DurableLog): void {
    const { log, durable } = this.#witness(id);
    const { base } = log;
    if (durable.snapshotIndex < base.index) this.fail(`${id} lacks what its log begins behind`);
    const isOfSnapshot = base.index > 0 && before.termAt(base.index) !== base.term;
    for (let index = base.index + 1; index <= before.lastIndex; index++) {
      const [found, known] = [log.termAt(index), before.termAt(index)];
      if (found === known || known === 0) continue;
      const isCommitted = this.#committed[index - 1]?.term === known;
      if ((found > known || isOfSnapshot) && !isCommitted) return;
      // An entry may have been cut off by one that was written and not synced.
      this.fail(
        `${id} forgot the ${isCommitted ? "committed" : "durable"} entry ${index}/${known}`,
      );
    }
    if (before.snapshotIndex > Math.max(durable.snapshotIndex, log.lastIndex)) {
      this.fail(`${id} forgot the snapshot of entry ${before.snapshotIndex}`);
    }
  }

  /** Everything that was ever committed is still durable on a majority. */
  checkNothingLost(): void {
    const last = this.#committed.length;
    const voters = votersOf(this.configuration.members);
    const term = this.#committed[last - 1]?.term ?? 0;
    const holders = [...this.#witnesses.values()]
      .filter(({ id, durable }) => voters.includes(id) && durable.holds(last, term));
    if (last === 0 || holders.length >= majority(voters.length)) return;
    this.fail(`entry ${last}/${term} was committed, and ${holders.length} of [${voters}] have it`);
  }

  #writeAll(id: NodeId, entries: readonly LogEntry[], before: number): void {
    let previousTerm = before;
    for (const entry of entries) {
      this.#writes(id, entry, previousTerm);
      previousTerm = entry.term;
    }
  }

  #checkCommitted(id: NodeId, does: string, index: number, term: number): void {
    const committed = this.#committed[index - 1]?.term;
    if (committed === term) return;
    this.fail(`${id} ${does} ${index}/${term}, committed is one of term ${committed}`);
  }

  #writes(id: NodeId, entry: LogEntry, previousTerm: number): void {
    const key = `${entry.index}/${entry.term}`;
    const hash = hashOfEntry(entry, previousTerm);
    const known = this.#written.get(key) ?? hash;
    if (known !== hash) this.fail(`${id} writes another entry ${key} than was written before`);
    this.#written.set(key, known);
  }

  #learnCommitted(id: NodeId, upTo: number, byTerm: number): void {
    const { log } = this.#witness(id);
    const from = Math.max(this.#commitIndexes.get(id) ?? 0, log.base.index) + 1;
    let isNew = false;
    for (let index = from; index <= upTo; index++) {
      const term = log.termAt(index);
      if (term === 0) this.fail(`${id} commits entry ${index}, which it does not have`);
      const known = this.#committed[index - 1];
      if (known === undefined) {
        this.#committed.push({ term, byTerm });
        const { data } = log.at(index) ?? { data: null };
        if (data !== null) this.#lastCommand = index;
        if (data !== null && data.configuration !== null) {
          this.#changed(id, index, data.configuration);
        }
        isNew = true;
      } else if (known.term !== term) {
        this.fail(`${id} commits ${index}/${term}, but ${index}/${known.term} was committed`);
      }
    }
    this.#commitIndexes.set(id, Math.max(from - 1, upTo));
    if (!isNew) return;
    const term = log.termAt(upTo);
    const newest = votersOf(this.#witness(id).report()?.members ?? []);
    if (this.#isOnMajority(upTo, term, newest)) return;
    // Another change may have been proposed in the same turn in which this was committed.
    this.#assertOnMajority(upTo, term, votersOf(this.configuration.members));
  }

  /** Election safety and leader completeness. */
  #leads(id: NodeId, term: number): void {
    const known = this.#leaders.get(term);
    if (known === id) return;
    if (known !== undefined) this.fail(`${known} and ${id} lead term ${term}`);
    this.#leaders.set(term, id);
    const witness = this.#witness(id);
    const { log } = witness;
    const voters = votersOf(witness.report()?.members ?? []);
    // A lone voter asks nobody, so no message has shown its own vote.
    const { term: votedTerm, vote } = witness.durable.hardState;
    if (votedTerm === term && vote === id) this.#voted(term, id, id);
    const votes = voters.filter((voter) => this.#votes.get(`${term}/${voter}`) === id);
    if (votes.length < majority(voters.length)) {
      this.fail(`${id} leads term ${term}, elected by [${votes}] of [${voters}]`);
    }

    this.#committed.forEach((committed, at) => {
      if (at + 1 < log.base.index) return; // a snapshot covers it
      if (committed.byTerm < term && log.termAt(at + 1) !== committed.term) {
        this.fail(`leader ${id} of term ${term} lacks the entry ${at + 1}/${committed.term}`);
      }
    });
  }

  #voted(term: number, voter: NodeId, candidate: NodeId): void {
    const key = `${term}/${voter}`;
    const known = this.#votes.get(key) ?? candidate;
    if (known !== candidate) {
      this.fail(`${voter} votes for ${known} and ${candidate} in term ${term}`);
    }
    this.#votes.set(key, candidate);
  }

  #show(id: NodeId, term: number, upTo: number): void {
    const known = this.#shown.get(id);
    if (known !== undefined && known.term > term) return;
    const knownUpTo = known?.term === term ? known.upTo : 0;
    this.#shown.set(id, { term, upTo: Math.max(knownUpTo, upTo) });
  }

  #assertOnMajority(index: number, term: number, voters: readonly NodeId[]): void {
    if (this.#isOnMajority(index, term, voters)) return;
    const holders = this.#holders(index, term);
    this.fail(`entry ${index}/${term} is committed, but durable on [${holders}] of [${voters}]`);
  }

  #isOnMajority(index: number, term: number, voters: readonly NodeId[]): boolean {
    const holders = this.#holders(index, term).filter((id) => voters.includes(id));
    return holders.length >= majority(voters.length);
  }

  #holders(index: number, term: number): NodeId[] {
    return [...this.#witnesses.values()]
      .filter(({ durable, lost }) => durable.holds(index, term) || lost?.holds(index, term))
      .map(({ id }) => id);
  }

  #witness(id: NodeId): Witness {
    const witness = this.#witnesses.get(id);
    return witness ?? this.fail(`there is no node ${id}`);
  }
}

function hashOfEntry({ data }: LogEntry, previousTerm: number): number {
  let hash = hashText(previousTerm, data === null ? "no-op" : String(data.timeMs));
  if (data !== null && data.configuration !== null) {
    hash = hashText(hash, JSON.stringify(data.configuration));
  }
  for (const command of data?.commands ?? []) {
    for (const argument of command) hash = hashText(hash, textOf(argument));
  }
  return hash;
}

function votersOf(members: readonly { readonly id: NodeId; readonly isLearner: boolean }[]) {
  return members.filter(({ isLearner }) => !isLearner).map(({ id }) => id);
}
