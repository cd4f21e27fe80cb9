import { type Random, randomInteger } from "../../../src/base/random.ts";
import type { Operation, PlainReply } from "../operation.ts";
import { type State, transitionOf } from "../register_model.ts";

export interface RandomHistoryOptions {
  readonly random: Random;
  readonly clients: number;
  readonly operations: number;
  readonly key: string;
  readonly request: () => readonly string[];
  /** Share of the operations whose outcome their client does not learn, from 0 to 1. */
  readonly unknownShare: number;
}

interface Running {
  readonly client: string;
  readonly args: readonly string[];
  readonly invokedMs: number;
  reply: PlainReply | undefined;
  isLost: boolean;
}

/**
 * The observations of clients of a correct register. Each operation takes effect between its start
 * and its end; one of unknown outcome at some later time, or never. Times count the generator's
 * steps.
 */
export function randomHistory(options: RandomHistoryOptions): Operation[] {
  const { random, clients, operations, key, request, unknownShare } = options;
  const history: Operation[] = [];
  const running: (Running | undefined)[] = Array.from({ length: clients }, () => undefined);
  const late: Running[] = [];
  let state: State = null;
  let begun = 0;
  const takeEffect = (call: Running) => {
    const step = transitionOf(call.args)(state);
    state = step.state;
    call.reply = step.reply;
  };
  for (let nowMs = 0; history.length < operations; nowMs++) {
    const at = randomInteger(random, clients);
    const call = running[at];
    if (call === undefined) {
      if (begun === operations) continue;
      begun++;
      const isLost = random() < unknownShare;
      running[at] = {
        ...{ client: `c${at}`, args: request(), invokedMs: nowMs },
        ...{ reply: undefined, isLost },
      };
    } else if (call.isLost) {
      if (random() < 0.7) late.push(call);
      const { client, args, invokedMs } = call;
      const outcome = { kind: "unknown" } as const;
      history.push({ client, key, args, invokedMs, completedMs: null, outcome });
      running[at] = undefined;
    } else if (call.reply === undefined) takeEffect(call);
    else {
      const { client, args, invokedMs, reply } = call;
      const outcome = { kind: "ok", reply } as const;
      history.push({ client, key, args, invokedMs, completedMs: nowMs, outcome });
      running[at] = undefined;
    }
    if (late.length > 0 && random() < 0.2) {
      const [shows] = late.splice(randomInteger(random, late.length), 1);
      if (shows !== undefined) takeEffect(shows);
    }
  }
  return history;
}
