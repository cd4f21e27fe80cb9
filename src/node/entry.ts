import { assert } from "../base/assert.ts";
import type { Entry } from "../raft/types.ts";
import type { ClusterConfiguration } from "./configuration.ts";

/**
 * What one log entry carries: the writes of one turn of the leader's event loop, or a change of the
 * cluster's members.
 */
export class Batch {
  /** The leader's clock at the proposal, never before the previous entry's: ms of the Unix epoch. */
  readonly timeMs: number;
  /** Each command with its arguments, one character (0–255) for each byte. May be empty: only time passes. */
  readonly commands: readonly (readonly string[])[];
  /** Who belongs to the cluster from this entry on; `commands` is empty then. */
  readonly configuration: ClusterConfiguration | null;
  #encoded: EncodedEntry | null = null;

  constructor(
    timeMs: number,
    commands: readonly (readonly string[])[],
    configuration: ClusterConfiguration | null = null,
  ) {
    assert(configuration === null || commands.length === 0, "A change of members has commands");
    this.timeMs = timeMs;
    this.commands = commands;
    this.configuration = configuration;
  }

  /**
   * The bytes of the entry with this index and term, if `keepEncoded` got them. They live as long
   * as the batch, so that the log and each peer take what was encoded once.
   */
  encodedAs(index: number, term: number): Uint8Array | null {
    const kept = this.#encoded;
    return kept !== null && kept.index === index && kept.term === term ? kept.bytes : null;
  }

  /** For the entry codec alone. `bytes` must not change any more. */
  keepEncoded(index: number, term: number, bytes: Uint8Array): void {
    this.#encoded = { index, term, bytes };
  }
}

interface EncodedEntry {
  readonly index: number;
  readonly term: number;
  readonly bytes: Uint8Array;
}

export type LogEntry = Entry<Batch>;
