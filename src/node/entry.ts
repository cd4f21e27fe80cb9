import { assert } from "../base/assert.ts";
import type { Entry } from "../raft/types.ts";
import type { ClusterConfiguration } from "./configuration.ts";

/** Each command with its arguments, one character (0–255) for each byte. */
export type Commands = readonly (readonly string[])[];

/**
 * What one log entry carries: the writes of one turn of the leader's event loop, or a change of the
 * cluster's members.
 */
export class Batch {
  /** The leader's clock at the proposal, never before the previous entry's: ms of the Unix epoch. */
  readonly timeMs: number;
  /** Who belongs to the cluster from this entry on; `commands` is empty then. */
  readonly configuration: ClusterConfiguration | null;
  #commands: Commands | null;
  #encoded: EncodedEntry | null = null;

  constructor(
    timeMs: number,
    commands: Commands,
    configuration: ClusterConfiguration | null = null,
  ) {
    assert(configuration === null || commands.length === 0, "A change of members has commands");
    this.timeMs = timeMs;
    this.configuration = configuration;
    this.#commands = commands;
  }

  /** May be empty: only time passes. */
  get commands(): Commands {
    return this.#commands ?? this.#encoded?.decodeCommands() ?? [];
  }

  /**
   * Keeps the commands as bytes only, if there are any: they have been carried out, and as strings
   * they would be moved about by V8 for as long as the log has the batch in memory.
   */
  forgetCommands(): void {
    if (this.#encoded !== null) this.#commands = null;
  }

  /**
   * The bytes of the entry with this index and term, if `keepEncoded` got them. They live as long
   * as the batch, so that the log and each peer take what was encoded once.
   */
  encodedAs(index: number, term: number): Uint8Array | null {
    const kept = this.#encoded;
    return kept !== null && kept.index === index && kept.term === term ? kept.bytes : null;
  }

  /** For the entry codec alone. */
  keepEncoded(encoded: EncodedEntry): void {
    this.#encoded = encoded;
  }
}

/** An entry as its codec wrote it. */
export interface EncodedEntry {
  readonly index: number;
  readonly term: number;
  /** Must not change any more. */
  readonly bytes: Uint8Array;
  /** What the batch holds, made anew at each call. */
  decodeCommands(): Commands;
}

export type LogEntry = Entry<Batch>;
