/**
 * A client's reply: a bulk string or a status as a string, an integer as a number, nil as `null`.
 * An error that belongs to the command's meaning (`INCR` of a word) is a string that begins with
 * `-`. Errors that mean *not executed* or *unknown* are no replies.
 */
export type PlainReply = string | number | null;

export type Outcome =
  | { readonly kind: "ok"; readonly reply: PlainReply }
  /** It may take effect at any time after it was sent, or never. */
  | { readonly kind: "unknown" };

/**
 * One request on one key, as its client saw it. Requests that were certainly not executed are left
 * out.
 */
export interface Operation {
  /** The sender, for the explanation only. */
  readonly client?: string;
  readonly key: string;
  /** The request without its key: `["SET", "5", "NX"]`, `["GET"]`. */
  readonly args: readonly string[];
  /** The time of sending, on any clock or counter that all clients share. */
  readonly invokedMs: number;
  /** The time of the reply; `null` if none came. Without a known outcome it is ignored. */
  readonly completedMs: number | null;
  readonly outcome: Outcome;
}
