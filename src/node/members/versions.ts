import type { Logger } from "../../base/logger.ts";
import { describeVersions, includesVersion, type VersionRange } from "../../base/version_range.ts";
import { MACHINE_VERSIONS, type StateMachine } from "../../commands/state_machine.ts";
import type { Raft } from "../../raft/mod.ts";
import type { NodeId } from "../../raft/types.ts";
import { Batch } from "../log/entry.ts";
import type { Members } from "./members.ts";

/** What a build of Regent understands. */
export interface BuildVersions {
  /** Of what nodes say to each other. */
  readonly protocol: VersionRange;
  /** Of the rules by which the log is carried out. */
  readonly machine: VersionRange;
}

/**
 * What this build understands. A release whose nodes say something new to each other, or say it in
 * another way, adds a protocol version and goes on to speak the one before, so that the nodes of a
 * cluster can be upgraded one after the other.
 */
export const BUILD_VERSIONS: BuildVersions = {
  protocol: { oldest: 3, newest: 3 },
  machine: MACHINE_VERSIONS,
};

/** Why a log or snapshot at this version cannot be carried out here; `null` when it can. */
export function unsupportedVersion(supported: VersionRange, version: number): string | null {
  if (version === 0 || includesVersion(supported, version)) return null;
  const other = version > supported.newest ? "newer" : "older";
  return `the log is at state machine version ${version}, and this version of Regent understands ` +
    `${describeVersions(supported)}: start a ${other} version of Regent on this directory`;
}

export interface MachineUpgradeOptions {
  readonly id: NodeId;
  readonly raft: Raft<Batch>;
  readonly machine: StateMachine;
  readonly members: Members;
  readonly logger: Logger;
  /** Writes that a new log begins with; the first version's rules decide them. */
  readonly firstWrites: readonly (readonly string[])[];
  /** Whether a member is connected now. */
  readonly isConnected: (id: NodeId) => boolean;
  /** The time that an entry proposed now carries. */
  readonly logTime: () => number;
}

/**
 * The leader's part in the version of the state machine: raises it, by an entry, to the newest that
 * all members understand, learners included. A log that says no version yet is a new one, and begins
 * with the newest at once. What the cluster's founders want in it comes in the entry before: where a
 * crash leaves only that one, the next leader still finds no version and writes both again. Clients'
 * writes wait for the version, so none of them comes in between.
 */
export class MachineUpgrade {
  readonly #options: MachineUpgradeOptions;
  /** What members said of themselves when they last connected. */
  readonly #said = new Map<NodeId, BuildVersions>();
  /** The entry that raises the version, which is the last of its proposal, and the proposal's term. */
  #proposed = { index: 0, term: 0 };

  constructor(options: MachineUpgradeOptions) {
    this.#options = options;
  }

  announced(id: NodeId, versions: BuildVersions): void {
    this.#said.set(id, versions);
  }

  /** Nothing may be written before the log says by which rules. */
  get holdsWrites(): boolean {
    const { raft, machine } = this.#options;
    return machine.version === 0 && this.#proposed.term !== raft.term;
  }

  /** Proposes a newer version where that is possible. For a leader. */
  turn(): void {
    const { raft, machine, logger, logTime, firstWrites } = this.#options;
    if (machine.version >= machine.versions.newest) return;
    const { servesReads, appliedIndex, commitIndex, term, transferringTo } = raft.status();
    // From here on the state has all that earlier leaders have said of the version.
    if (!servesReads || appliedIndex < commitIndex || transferringTo !== null) return;
    if (this.#proposed.term === term && this.#proposed.index > appliedIndex) return;
    const version = machine.version === 0 ? this.#newestToBeginWith() : this.#understoodByAll();
    if (version <= machine.version) return;
    const isFirst = machine.version === 0 && firstWrites.length > 0;
    const timeMs = logTime();
    const batches = [
      ...(isFirst ? [new Batch(timeMs, firstWrites)] : []),
      new Batch(timeMs, [], null, version),
    ];
    const index = raft.propose(batches);
    if (index === null) return;
    this.#proposed = { index: index + batches.length - 1, term };
    logger.info(`raises the state machine to version ${version}`);
  }

  /** Members that are not there yet are taken to be as new as this one: the log must begin. */
  #newestToBeginWith(): number {
    const said = [...this.#said.values()].map(({ machine }) => machine.newest);
    return Math.min(this.#options.machine.versions.newest, ...said);
  }

  /** The newest version that all members understand; 0: not all of them have said so. */
  #understoodByAll(): number {
    const { id: self, machine, members, isConnected } = this.#options;
    let newest = machine.versions.newest;
    for (const { id } of members.newest.configuration.members) {
      if (id === self) continue;
      const said = this.#said.get(id);
      if (said === undefined || !isConnected(id)) return 0;
      newest = Math.min(newest, said.machine.newest);
    }
    return newest;
  }
}
