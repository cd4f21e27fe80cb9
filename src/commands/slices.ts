import type { Reply } from "../resp/reply.ts";
import type { Keyspace } from "../store/keyspace.ts";
import type { KeyName, KeyspaceView } from "../store/keyspace_view.ts";
import { errorReplyOf } from "./command_error.ts";

/** Number of keys read or changed in one step, which takes about a quarter of a millisecond. */
export const KEYS_PER_STEP = 256;

/** Requests with fewer arguments are executed at once. */
export const SLICED_ARGUMENTS_MIN = 512;

/** A request that is executed in steps, so that the event loop can serve others in between. */
export class Slices {
  /**
   * Whether other requests may be executed between its steps, since it answers from a view of the
   * state. Otherwise nothing else may use the state until it is finished.
   */
  readonly isBeside: boolean;
  readonly #steps: Generator<void, Reply>;

  constructor(steps: Generator<void, Reply>, isBeside = false) {
    this.#steps = steps;
    this.isBeside = isBeside;
  }

  /** Executes one step. Returns the reply or error after the last one, otherwise `undefined`. */
  next(): Reply | undefined {
    try {
      const { done, value } = this.#steps.next();
      return done === true ? value : undefined;
    } catch (error) {
      return errorReplyOf(error);
    }
  }

  /** Executes all remaining steps. */
  finish(): Reply {
    for (;;) {
      const reply = this.next();
      if (reply !== undefined) return reply;
    }
  }

  /** Abandons the remaining steps. Only for reads. */
  stop(): void {
    this.#steps.return(null);
  }

  /** The steps, for a request that contains this one. */
  steps(): Generator<void, Reply> {
    return this.#steps;
  }
}

/** The steps of a read from a view of the keys, which closes the view at their end. */
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
