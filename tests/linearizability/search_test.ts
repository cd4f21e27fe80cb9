import { assert, assertEquals } from "@std/assert";
import { randomInteger, seededRandom } from "../../src/base/random.ts";
import { workedMs } from "../support/machine_watch.ts";
import { checkHistory } from "./check_history.ts";
import type { Operation } from "./operation.ts";
import { isLinearizable } from "./testing/brute_force.ts";
import { randomHistory } from "./testing/random_history.ts";

const REQUESTS = [
  ["GET"],
  ["GET"],
  ["SET", "1"],
  ["SET", "2"],
  ["SET", "3", "NX"],
  ["SET", "4", "XX"],
  ["SET", "5", "GET"],
  ["INCR"],
  ["APPEND", "1"],
  ["APPEND", "2"],
  ["DEL"],
  ["EXISTS"],
  ["GETSET", "1"],
];
const REPLIES = [null, "OK", 0, 1, 2, 3, "1", "2", "3", "4", "11", "12"];

Deno.test("the search agrees with the definition on thousands of small histories", () => {
  const random = seededRandom(20_211);
  const counts = { good: 0, bad: 0 };
  for (let round = 0; round < 12_000; round++) {
    const share = round % 4 === 0 ? 0.1 : 0.5;
    const requests = REQUESTS.filter(() => random() < share);
    const history = randomHistory({
      ...{ random, key: "k", clients: 2 + randomInteger(random, 3) },
      ...{ operations: 3 + randomInteger(random, 5), unknownShare: random() < 0.5 ? 0.3 : 0 },
      request: () => requests[randomInteger(random, requests.length)] ?? ["GET"],
    });
    if (random() < 0.7) spoil(history, () => randomInteger(random, 1_000));
    const expected = isLinearizable(history);
    const { verdict, explanation } = checkHistory(history, { timeoutMs: 10_000 });
    const described = JSON.stringify(history, null, 1) + explanation?.join("\n");
    assertEquals(verdict, expected ? "linearizable" : "not linearizable", described);
    counts[expected ? "good" : "bad"]++;
  }
  assert(Math.min(counts.good, counts.bad) > 2_000, JSON.stringify(counts));
});

/** Changes one reply, or moves the start or end of one operation. */
function spoil(history: Operation[], number: () => number): void {
  const at = number() % history.length;
  const operation = history[at];
  if (operation === undefined || operation.outcome.kind === "unknown") return;
  const middleMs = (operation.invokedMs + (operation.completedMs ?? 0)) / 2;
  const reply = REPLIES[number() % REPLIES.length] ?? null;
  const spoilt: Operation[] = [
    { ...operation, outcome: { kind: "ok", reply } },
    { ...operation, outcome: { kind: "ok", reply } },
    { ...operation, invokedMs: middleMs },
    { ...operation, completedMs: middleMs },
  ];
  history[at] = spoilt[number() % spoilt.length] ?? operation;
}

function longHistory(options: {
  readonly keys: number;
  readonly operations: number;
  readonly clients: number;
  readonly unknownShare: number;
  readonly requests: readonly string[];
}): Operation[] {
  const random = seededRandom(7);
  let value = 0;
  return Array.from({ length: options.keys }, (_, key) =>
    randomHistory({
      ...options,
      random,
      key: `key ${key}`,
      request: () => {
        const name = options.requests[randomInteger(random, options.requests.length)] ?? "GET";
        return name.replace("#", `v${++value}.`).split(" ");
      },
    })).flat();
}

/**
 * Requires a verdict within this processor time, or wall-clock time if the system does not count
 * it.
 */
function assertJudgedWithin(limitMs: number, verdict: string, history: Operation[]): void {
  const startMs = workedMs();
  const result = checkHistory(history, { timeoutMs: 120_000 });
  assertEquals(result.verdict, verdict, result.explanation?.join("\n"));
  const tookMs = workedMs() - startMs;
  assert(tookMs < limitMs, `took ${tookMs} ms`);
}

const MIXED = ["GET", "GET", "SET #", "SET # NX", "SET # XX", "APPEND #", "DEL", "EXISTS"];

Deno.test("100,000 operations on 100 keys take seconds, 8 clients on each", () => {
  const history = longHistory({
    ...{ keys: 100, operations: 1_000, clients: 8, unknownShare: 0.01, requests: MIXED },
  });
  assertJudgedWithin(15_000, "linearizable", history);
});

for (const requests of [["GET", "SET #"], ["GET", "INCR"], ["GET", "APPEND #"]]) {
  Deno.test(`hundreds of unknown outcomes do not make the search explode: ${requests.join(", ")}`, () => {
    const shape = { keys: 5, operations: 1_000, clients: 10, unknownShare: 0.3, requests };
    assertJudgedWithin(15_000, "linearizable", longHistory(shape));
  });
}

Deno.test("a violation at the end of a long history is found", () => {
  const shape = { keys: 1, operations: 2_000, clients: 6, unknownShare: 0.02 };
  const history = longHistory({ ...shape, requests: ["GET", "SET #"] });
  const lastMs = Math.max(...history.map(({ completedMs }) => completedMs ?? 0));
  const times = { invokedMs: lastMs + 1, completedMs: lastMs + 2 };
  const stale = { kind: "ok", reply: "v1." } as const;
  history.push({ key: "key 0", args: ["GET"], ...times, outcome: stale });
  assertJudgedWithin(15_000, "not linearizable", history);
});
