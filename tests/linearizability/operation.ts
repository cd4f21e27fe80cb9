/**
 * What a client was told: a bulk string or a status as a string, an integer as a number, nil as
 * `null`. An error that the command gives by its meaning (`INCR` of a word) is a string that begins
 * with `-`. Errors that mean *not executed* or *unknown* are no replies.
 */
export type PlainReply = string | number | null;

export type Outcome =
  | { readonly kind: "ok"; readonly reply: PlainReply }
  /** It may take effect at any time after it was sent, or never. */
  | { readonly kind: "unknown" };

/** One request on one key, as its client saw it. What was known not to be executed is left out. */
export interface Operation {
  /** Who sent it; for the explanation only. */
  readonly client?: string;
  readonly key: string;
  /** The request without its key: `["SET", "5", "NX"]`, `["GET"]`. */
  readonly args: readonly string[];
  /** When it was sent. Any clock or counter that all clients share. */
  readonly invokedMs: number;
  /** When its reply came; `null` when none came. Without a known outcome it says nothing. */
  readonly completedMs: number | null;
  readonly outcome: Outcome;
}
