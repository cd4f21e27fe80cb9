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
import { isThere } from "./data_directories.ts";

const READ_BYTES = 4 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;

/** The state after every entry that a directory holds: its snapshot, and all of its log. */
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

/** A state in chunks, as a snapshot holds it. */
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

/** What one of the directories holds that are left of a cluster. */
export interface SurvivorReport {
  readonly dir: string;
  readonly nodeId: string;
  readonly clusterId: string;
  /** The last that the node has taken part in. */
  readonly term: number;
  readonly lastIndex: number;
  /** Of the last entry. */
  readonly lastTerm: number;
  /** What the newest snapshot covers, and thus is committed for certain. */
  readonly snapshotIndex: number;
  /** The newest that the node knows, committed or not. */
  readonly configuration: ClusterConfiguration;
}

/** A data directory of a node that does not run, locked. */
export class Survivor {
  /** As the operator named it. */
  readonly dir: string;
  readonly nodeId: string;
  readonly clusterId: string;
  /** Why its content cannot be used; `null`: it can. */
  readonly damage: string | null;
  readonly #disk: DenoDisk;
  readonly #data: DataDirectory | null;

  /** @throws {UserError} when there is no node's directory, or a node runs on it */
  static async open(dir: string): Promise<Survivor> {
    if (!isThere(`${dir}/identity.json`)) {
      throw new UserError(`Cannot recover from ${dir}: it is no node's data directory`);
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
      // What a start of the node would do, no more: a write that was never finished is cut off.
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

  /** Gives up the lock. */
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

/** Whose log is newer: that of the later last term, or else the longer one; negative: `left`'s. */
export function compareLogs(
  left: Pick<SurvivorReport, "lastTerm" | "lastIndex">,
  right: Pick<SurvivorReport, "lastTerm" | "lastIndex">,
): number {
  return right.lastTerm - left.lastTerm || right.lastIndex - left.lastIndex;
}
