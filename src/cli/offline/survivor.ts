import { messageOf, UserError } from "../../base/errors.ts";
import { StateMachine } from "../../commands/state_machine.ts";
import { applyTo } from "../../node/clients/applier.ts";
import {
  type DataDirectory,
  openDataDirectory,
  readIdentity,
} from "../../node/log/data_directory.ts";
import type { ClusterConfiguration } from "../../node/members/configuration.ts";
import { firstConfiguration, Members } from "../../node/members/members.ts";
import { restoreNewest } from "../../node/snapshots/node_snapshots.ts";
import { DenoDisk } from "../../platform/deno_disk.ts";
import { readAddress } from "../flags.ts";
import { table } from "../table.ts";
import { isThere } from "./data_directories.ts";

const READ_BYTES = 4 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;

/** The state after the last entry of a directory: its snapshot, with all of its log applied. */
export function finalState({ log, snapshots }: Pick<DataDirectory, "log" | "snapshots">) {
  const machine = new StateMachine({ version: 0 });
  restoreNewest(snapshots, machine);
  const last = log.lastIndex();
  let applied = snapshots.newest()?.index ?? 0;
  while (applied < last) {
    for (const entry of log.entries(applied + 1, last, READ_BYTES)) {
      applyTo(machine, entry);
      applied = entry.index;
    }
  }
  return machine;
}

/** The chunks of a snapshot of the state. */
export function* chunksOf(machine: StateMachine): Generator<Uint8Array> {
  const view = machine.beginSnapshot();
  try {
    for (let chunk = view.next(CHUNK_BYTES); chunk !== null; chunk = view.next(CHUNK_BYTES)) {
      yield chunk;
    }
  } finally {
    view.end();
  }
}

/** What one surviving directory of a cluster holds. */
export interface SurvivorReport {
  readonly dir: string;
  readonly nodeId: string;
  readonly clusterId: string;
  /** The last term that the node took part in. */
  readonly term: number;
  readonly lastIndex: number;
  /** Term of the last entry. */
  readonly lastTerm: number;
  /** Index of the newest snapshot, which is certainly committed. */
  readonly snapshotIndex: number;
  /** The newest configuration that the node knows, committed or not. */
  readonly configuration: ClusterConfiguration;
}

/** The locked data directory of a node that does not run. */
export class Survivor {
  /** As the operator typed it. */
  readonly dir: string;
  readonly nodeId: string;
  readonly clusterId: string;
  /** Why the content cannot be used; `null` if it can. */
  readonly damage: string | null;
  readonly #disk: DenoDisk;
  readonly #data: DataDirectory | null;

  /** @throws {UserError} when it is not a node's directory, or a node runs on it */
  static async open(dir: string): Promise<Survivor> {
    if (!isThere(`${dir}/identity.json`)) {
      throw new UserError(`Cannot recover from ${dir}: it is not the data directory of a node`);
    }
    const disk = await DenoDisk.open(dir);
    try {
      return new Survivor(dir, disk);
    } catch (error) {
      disk.close();
      throw error;
    }
  }

  private constructor(dir: string, disk: DenoDisk) {
    this.dir = dir;
    this.#disk = disk;
    const identity = readIdentity(disk);
    if (identity === null) throw new UserError(`Cannot recover from ${dir}: it is empty`);
    const { nodeId, clusterId } = identity;
    this.nodeId = nodeId;
    this.clusterId = clusterId;
    try {
      // As at a start of the node, this cuts off an unfinished write at the end, and no more.
      this.#data = openDataDirectory(disk, {
        ...identity,
        nonce: crypto.randomUUID(),
        onFailure: (error) => {
          throw error;
        },
      });
      this.damage = null;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.#data = null;
      this.damage = messageOf(error);
    }
  }

  /** @throws {UserError} when it is damaged */
  get data(): DataDirectory {
    if (this.#data === null) throw new UserError(this.damage ?? "");
    return this.#data;
  }

  report(): SurvivorReport {
    const { log, snapshots } = this.data;
    return {
      dir: this.dir,
      nodeId: this.nodeId,
      clusterId: this.clusterId,
      term: log.hardState().term,
      lastIndex: log.lastIndex(),
      lastTerm: log.term(log.lastIndex()),
      snapshotIndex: snapshots.newest()?.index ?? 0,
      configuration: this.#configuration(),
    };
  }

  /** Releases the lock. */
  close(): void {
    this.#data?.log.close();
    this.#data?.snapshots.close();
    this.#disk.close();
  }

  #configuration(): ClusterConfiguration {
    const { identity, log, snapshots } = this.data;
    const contacts = [...identity.members].map(([id, at]) => [id, readAddress(at)] as const);
    const founding = firstConfiguration(identity.nodeId, new Map(contacts));
    const base = snapshots.newest() ?? { index: 0, configuration: founding };
    return new Members(base, log.configurations()).newest.configuration;
  }
}

/**
 * Compares logs: the one with the later last term is newer, else the longer one. Negative if `left`
 * is newer.
 */
function compareLogs(
  left: Pick<SurvivorReport, "lastTerm" | "lastIndex">,
  right: Pick<SurvivorReport, "lastTerm" | "lastIndex">,
): number {
  return right.lastTerm - left.lastTerm || right.lastIndex - left.lastIndex;
}

/** A directory that cannot be used, and the reason. */
export interface DamagedDirectory {
  readonly dir: string;
  readonly nodeId: string;
  readonly clusterId: string;
  readonly damage: string;
}

/** The text that the operator sees before anything is changed. */
export function recoveryReport(
  survivors: readonly SurvivorReport[],
  damaged: readonly DamagedDirectory[],
): string[] {
  const newest = newestOf(survivors);
  return [
    survivorTable(survivors, damaged),
    ...damaged.map(({ nodeId, damage }) => `${nodeId} cannot be used: ${damage}`),
    "",
    ...(newest === undefined ? [] : [
      `${newest.nodeId} has the newest log: it ends with entry ${newest.lastIndex} of term ` +
      `${newest.lastTerm}.`,
      ...losses(newest, survivors),
    ]),
  ];
}

/** The report with the newest log, and the first of equals. */
export function newestOf(survivors: readonly SurvivorReport[]): SurvivorReport | undefined {
  return [...survivors].sort(compareLogs)[0];
}

function survivorTable(
  survivors: readonly SurvivorReport[],
  damaged: readonly DamagedDirectory[],
): string {
  const soundRows = survivors.map((one) => [
    one.nodeId,
    one.dir,
    one.clusterId,
    ...[one.term, one.lastTerm, one.lastIndex, one.snapshotIndex].map(String),
  ]);
  const damagedRows = damaged.map(({ nodeId, dir, clusterId }) => [
    ...[nodeId, dir, clusterId],
    ...["damaged", "-", "-", "-"],
  ]);
  const heading = ["id", "directory", "cluster", "term", "last term", "last index", "snapshot"];
  return table([heading, ...soundRows, ...damagedRows]);
}

function losses(newest: SurvivorReport, survivors: readonly SurvivorReport[]): string[] {
  const voters = newest.configuration.members.filter(({ isLearner }) => !isLearner);
  const here = voters.filter(({ id }) => survivors.some(({ nodeId }) => nodeId === id));
  const lost = voters.filter((voter) => !here.includes(voter));
  const names = (some: readonly { readonly id: string }[]) => some.map(({ id }) => id).join(", ");
  const committed = Math.max(...survivors.map(({ snapshotIndex }) => snapshotIndex));
  const lines = [];
  if (2 * here.length > voters.length) {
    const [present, all] = [names(here), names(voters)];
    lines.push(
      `WARNING: by these logs, a majority of the voting members (${all}) is here: ${present}.`,
      "If so, nothing is lost and no recovery is needed. Start these nodes as they are. When they",
      "have elected a leader, remove the others with `regent remove`.",
    );
  } else {
    const missing = names(lost) || "unknown";
    lines.push(
      `Missing voting members: ${missing}. Acknowledged writes that only they hold may be lost.`,
      "It cannot be known whether there are any, or which.",
    );
  }
  lines.push(`Kept: everything up to entry ${newest.lastIndex}.`);
  if (newest.lastIndex > committed) {
    lines.push(
      `Entries up to ${committed} are known to be committed. Later ones may or may not have been`,
      "acknowledged to a client.",
    );
  }
  return lines;
}
