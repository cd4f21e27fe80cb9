import type { Mutant } from "../mutant.ts";

const CATCH_UP = "src/node/members/catch_up_test.ts";
const SNAPSHOTS = "src/node/snapshots/node_snapshots_test.ts";
const RECEIVER = "src/node/snapshots/snapshot_receiver_test.ts";

/** Nodes that lag, and must not attract reads. */
export const catchUpMutants: readonly Mutant[] = [
  {
    name: "fresh-start-counts-as-caught-up",
    bug: "a node that returns gets reads before it knows how far it lags",
    file: "src/node/members/catch_up.ts",
    find: "this.#behindSinceMs = nowMs;\n  }",
    replace: "this.#behindSinceMs = nowMs < 0 ? nowMs : null;\n  }",
    killers: [CATCH_UP],
  },
  {
    name: "lag-without-an-end",
    bug: "a node that applies ever later is never reported as lagging",
    file: "src/node/members/catch_up.ts",
    find: "if (isLate) this.#behindSinceMs ??= nowMs;",
    replace: "if (isLate) this.#behindSinceMs ??= null;",
    killers: [CATCH_UP],
  },
  {
    name: "late-mark-counts-as-caught-up",
    bug: "a node that has reached an old commit index late counts as caught up",
    file: "src/node/members/catch_up.ts",
    find: "if (mark !== null && !isLate) this.#behindSinceMs = null;",
    replace: "if (mark !== null) this.#behindSinceMs = null;",
    killers: [CATCH_UP],
  },
  {
    name: "reads-kept-while-catching-up",
    bug: "reads that are at a node when it falls behind wait there until they time out",
    file: "src/node/clients/client_requests.ts",
    find: "if (this.#refusesReads) this.#reads.refuseAll(() => CATCHING_UP);",
    replace: "",
    killers: [SNAPSHOTS],
  },
  {
    name: "catching-up-not-pushed",
    bug: "a proxy does not learn when a node has caught up",
    file: "src/node/members/report.ts",
    find: "isCatchingUp === last.isCatchingUp && isEqual(now, last);",
    replace: "isEqual(now, last);",
    killers: [SNAPSHOTS],
  },
  {
    name: "needless-arrival-kept",
    bug: "half a snapshot that is no longer needed stays, and the node counts as lagging for ever",
    file: "src/node/snapshots/snapshot_receiver.ts",
    find: `if (!isNeeded && arrival.state !== "finishing") this.#arrival = null;`,
    replace: `if (!isNeeded && arrival.state === "durable") this.#arrival = null;`,
    killers: [RECEIVER],
  },
];
