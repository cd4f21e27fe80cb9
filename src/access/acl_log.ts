import type { Clock } from "../platform/clock.ts";
import { DoubleReply, MapReply, type Reply } from "../resp/reply.ts";

/** Number of entries, as Redis keeps by default. */
const ENTRIES_MAX = 128;
/** Time in milliseconds within which the same event counts in its entry. */
const SAME_MS = 60_000;
/** Longest object that an entry holds, in bytes: a key can have some mebibytes. */
const OBJECT_BYTES_MAX = 256;

/** Something that was refused. */
export interface AclEvent {
  readonly reason: "auth" | "command" | "key" | "file" | "channel" | "cost";
  /** The command, key, file or channel. */
  readonly object: string;
  readonly username: string;
  /** The client's line of `CLIENT LIST`. */
  readonly client: string;
}

interface Entry extends AclEvent {
  readonly count: number;
  readonly atMs: number;
}

/** What access control has refused last: `ACL LOG`. */
export class AclLog {
  readonly #clock: Clock;
  /** The newest first. */
  #entries: readonly Entry[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(event: AclEvent): void {
    const object = event.object.slice(0, OBJECT_BYTES_MAX);
    const atMs = this.#clock.monotonicMs();
    const same = this.#entries.find((entry) =>
      entry.reason === event.reason && entry.object === object &&
      entry.username === event.username && atMs - entry.atMs <= SAME_MS
    );
    const others = this.#entries.filter((entry) => entry !== same).slice(0, ENTRIES_MAX - 1);
    this.#entries = [{ ...event, object, count: 1 + (same?.count ?? 0), atMs }, ...others];
  }

  clear(): void {
    this.#entries = [];
  }

  /** The newest entries, in Redis's form. */
  reply(count: number): Reply {
    const nowMs = this.#clock.monotonicMs();
    return this.#entries.slice(0, count).map((entry) =>
      new MapReply([
        ["count", entry.count],
        ["reason", entry.reason],
        ["context", "toplevel"],
        ["object", entry.object],
        ["username", entry.username],
        ["age-seconds", new DoubleReply(Math.round(nowMs - entry.atMs) / 1_000)],
        ["client-info", entry.client.trimEnd()],
      ])
    );
  }
}
