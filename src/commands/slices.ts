import type { Reply } from "../resp/reply.ts";
import type { Keyspace } from "../store/keyspace.ts";
import type { KeyName, KeyspaceView } from "../store/keyspace_view.ts";
import { errorReplyOf } from "./command_error.ts";

/** So many keys are looked at, or changed, in one step. A step takes about a quarter of a millisecond. */
export const KEYS_PER_STEP = 256;

/** Requests with fewer arguments are carried out at once. */
export const SLICED_ARGUMENTS_MIN = 512;

/** A request that is carried out step by step, so that the event loop can look after others. */
export class Slices {
  /**
   * Whether other requests may be carried out between its steps: it answers from a view of the state
   * as it was. Otherwise nothing else may be done with the state until it is finished.
   */
  readonly isBeside: boolean;
  readonly #steps: Generator<void, Reply>;

  constructor(steps: Generator<void, Reply>, isBeside = false) {
    this.#steps = steps;
    this.isBeside = isBeside;
  }

  /** Does one step; the reply when it was the last, be it a refusal, else `undefined`. */
  next(): Reply | undefined {
    try {
      const { done, value } = this.#steps.next();
      return done === true ? value : undefined;
    } catch (error) {
      return errorReplyOf(error);
    }
  }

  /** Does all steps that are left. */
  finish(): Reply {
    for (;;) {
      const reply = this.next();
      if (reply !== undefined) return reply;
    }
  }

  /** Gives up what is left; for reads alone. */
  stop(): void {
    this.#steps.return(null);
  }

  /** The steps, for a request that brings this one. */
  steps(): Generator<void, Reply> {
    return this.#steps;
  }
}

/** The steps of a read from a view of the keys, which ends with them. */
export function* endingView(
  steps: Generator<void, Reply>,
  keyspace: Keyspace,
  view: KeyspaceView<KeyName>,
): Generator<void, Reply> {
  try {
    return yield* steps;
  } finally {
    keyspace.endView(view);
  }
}
