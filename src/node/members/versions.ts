import type { Logger } from "../../base/logger.ts";
import { describeVersions, includesVersion, type VersionRange } from "../../base/version_range.ts";
import { MACHINE_VERSIONS, type StateMachine } from "../../commands/state_machine.ts";
import type { Raft } from "../../raft/mod.ts";
import type { NodeId } from "../../raft/types.ts";
import { Batch } from "../log/entry.ts";
import type { Members } from "./members.ts";

/** The versions that a build of Regent understands. */
export interface BuildVersions {
  /** Versions of the peer protocol. */
  readonly protocol: VersionRange;
  /** Versions of the rules for applying the log. */
  readonly machine: VersionRange;
}

/**
 * The versions of this build. A release that changes the peer protocol adds a version and keeps
 * speaking the previous one, so that the nodes of a cluster can be upgraded one at a time.
 */
export const BUILD_VERSIONS: BuildVersions = {
  protocol: { oldest: 3, newest: 3 },
  machine: MACHINE_VERSIONS,
};

/** Why this build cannot apply a log or snapshot of this version; `null` when it can. */
export function unsupportedVersion(supported: VersionRange, version: number): string | null {
  if (version === 0 || includesVersion(supported, version)) return null;
  const other = version > supported.newest ? "a newer" : "an older";
  return `the log is at state machine version ${version}, and this version of Regent understands ` +
    `${describeVersions(supported)}: start ${other} version of Regent on this directory`;
}

export interface MachineUpgradeOptions {
  readonly id: NodeId;
  readonly raft: Raft<Batch>;
  readonly machine: StateMachine;
  /** Index of the last entry that the machine has applied. The core's may be ahead of it. */
  readonly appliedIndex: () => number;
  readonly members: Members;
  readonly logger: Logger;
  /** Commands that a new log starts with. They are applied by the rules of the first version. */
  readonly firstWrites: readonly (readonly string[])[];
  /** Whether a member is connected now. */
  readonly isConnected: (id: NodeId) => boolean;
  /** The log's time for an entry proposed now. */
  readonly logTime: () => number;
}

/**
 * The leader's part in the version of the state machine. It raises the version, by an entry, to the
 * newest that all members understand, learners included. A log without a version is new, and gets
 * the newest at once. The entry before that one contains the first writes. If a crash leaves only
 * the entry with the first writes, the next leader still finds no version, and proposes both again.
 * Clients' writes wait for the version, so none comes in between.
 */
export class MachineUpgrade {
  readonly #options: MachineUpgradeOptions;
  /** The versions that members announced when they last connected. */
  readonly #announced = new Map<NodeId, BuildVersions>();
  /** Index of the entry that raises the version, and the term of the proposal. */
  #proposed = { index: 0, term: 0 };

  constructor(options: MachineUpgradeOptions) {
    this.#options = options;
  }

  noteAnnounced(id: NodeId, versions: BuildVersions): void {
    this.#announced.set(id, versions);
  }

  /** Whether writes wait, since the log does not say yet which version's rules apply. */
  get holdsWrites(): boolean {
    const { raft, machine } = this.#options;
    return machine.version === 0 && this.#proposed.term !== raft.term;
  }

  /** Proposes a newer version if possible. Only a leader calls it. */
  turn(): void {
    const { raft, machine, logger, logTime, firstWrites } = this.#options;
    if (machine.version >= machine.versions.newest) return;
    const { servesReads, commitIndex, term, transferringTo } = raft.status();
    const appliedIndex = this.#options.appliedIndex();
    // The state now contains everything that earlier leaders decided about the version.
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

  /** Members that never connected are taken to be as new as this one, since the log must start. */
  #newestToBeginWith(): number {
    const said = [...this.#announced.values()].map(({ machine }) => machine.newest);
    return Math.min(this.#options.machine.versions.newest, ...said);
  }

  /** The newest version that all members understand; 0 while one of them is not connected. */
  #understoodByAll(): number {
    const { id: self, machine, members, isConnected } = this.#options;
    let newest = machine.versions.newest;
    for (const { id } of members.newest.configuration.members) {
      if (id === self) continue;
      const said = this.#announced.get(id);
      if (said === undefined || !isConnected(id)) return 0;
      newest = Math.min(newest, said.machine.newest);
    }
    return newest;
  }
}
