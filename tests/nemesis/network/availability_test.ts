import { assertEquals } from "@std/assert";
import { Availability } from "./availability.ts";
import { type Damage, serviceAt } from "./reach.ts";

const SHAPE = { nodes: ["n1", "n2", "n3"], clients: "c" };

function cut(...ways: readonly string[]): Damage {
  return { cuts: (from, to) => ways.includes(`${from}>${to}`) };
}

function alone(name: string): Damage {
  return { cuts: (from, to) => from === name || to === name };
}

Deno.test("service is owed while a majority and a way to it exist", () => {
  const at = (...damages: Damage[]) => serviceAt("p1", damages, SHAPE);
  assertEquals(at(), "owed");
  assertEquals(at(alone("n1")), "owed");
  assertEquals(at(alone("n1"), alone("n2")), "not owed");
  assertEquals(at({ down: ["n3"] }), "owed");
  assertEquals(at({ down: ["n3"] }, cut("n1>n2")), "not owed");
  assertEquals(at({ down: ["p1"] }), "not owed");
  assertEquals(at({ down: ["p2"] }), "owed");
  // one direction is not enough, for clients as for nodes
  assertEquals(at(cut("c>p1")), "not owed");
  assertEquals(at(cut("p1>c")), "not owed");
  assertEquals(at(cut("p2>c")), "owed");
  // n1 and n2 could lead with n3, and n3 with each of them
  assertEquals(at(cut("n1>n2")), "owed");
  assertEquals(at(cut("n1>n2"), cut("p1>n1")), "not owed");
  // a node that cannot lead need not be reachable
  assertEquals(at(cut("n1>n2", "n1>n3"), cut("p1>n1")), "owed");
  assertEquals(at(cut("p1>n1")), "not owed");
  assertEquals(at(cut("p2>n1")), "owed");
  // while nothing is done to the nodes, a follower need not be reachable
  assertEquals(at({ ...cut("p1>n2"), leader: "n1" }), "owed");
  assertEquals(at({ ...cut("p1>n1"), leader: "n1" }), "not owed");
  assertEquals(at({ ...cut("p1>n2"), leader: "n1" }, cut("n3>n1")), "not owed");
  assertEquals(at({ lossy: ["n2"] }), "owed, but slow");
  assertEquals(at({ lossy: ["n2"] }, alone("p1")), "not owed");
});

const BOUNDS = { ...SHAPE, answerMsMax: 500, slowAnswerMsMax: 2_000 };

/** The violations of a request between these times, during this fault. */
function judged(
  [sentMs, endedMs]: readonly [number, number],
  fault: { damage: Damage; fromMs: number; toMs: number } | null = null,
  forgiven: readonly [number, number] | null = null,
): number {
  const availability = new Availability(BOUNDS);
  if (fault !== null) availability.begin("cut", fault.damage, 1_000, fault.fromMs).at(fault.toMs);
  if (forgiven !== null) availability.forgive(...forgiven);
  const request = { client: "one", proxy: "p1", what: "GET k" };
  availability.note({ ...request, sentMs, endedMs, error: null });
  return availability.violations().length;
}

Deno.test("an answer is late when it was owed for longer than the bound", () => {
  assertEquals(judged([0, 499]), 0);
  assertEquals(judged([0, 600]) > 0, true);
});

Deno.test("an error at once is a violation where service is owed", () => {
  const told = (sentMs: number, error: string | null) => {
    const availability = new Availability(BOUNDS);
    availability.begin("down", { down: ["n1", "n2"] }, 1_000, 2_000).at(4_000);
    const request = { client: "one", proxy: "p1", what: "GET k", sentMs, endedMs: sentMs + 1 };
    availability.note({ ...request, error });
    return availability.violations().length;
  };
  assertEquals([told(1_900, null), told(1_900, "no"), told(2_100, "no")], [0, 1, 0]);
  assertEquals([told(3_999, "no"), told(4_900, "no"), told(5_100, "no")], [0, 0, 1]);
});

Deno.test("while a fault begins or ends, answers may be late within a bound", () => {
  const fault = { damage: alone("n1"), fromMs: 5_000, toMs: 9_000 };
  assertEquals(judged([4_900, 6_400], fault), 0);
  assertEquals(judged([4_900, 6_600], fault) > 0, true);
  assertEquals(judged([8_900, 10_400], fault), 0);
  assertEquals(judged([8_900, 10_600], fault) > 0, true);
});

Deno.test("nothing is owed without a majority, and everything is owed again soon after", () => {
  const fault = { damage: { down: ["n1", "n2"] }, fromMs: 5_000, toMs: 9_000 };
  assertEquals(judged([5_100, 10_400], fault), 0);
  assertEquals(judged([5_100, 10_600], fault) > 0, true);
});

Deno.test("lost packets may delay answers within a bound", () => {
  const fault = { damage: { lossy: ["n1"] }, fromMs: 0, toMs: 90_000 };
  assertEquals(judged([5_000, 6_900], fault), 0);
  assertEquals(judged([5_000, 7_100], fault), 1);
});

Deno.test("stalls of the machine are forgiven", () => {
  assertEquals(judged([0, 1_400], null, [450, 1_000]), 0);
  assertEquals(judged([0, 1_600], null, [450, 1_000]) > 0, true);
});

Deno.test("the machine's lateness is added to the bound", () => {
  const judgedWith = (lateMs: number) => {
    const availability = new Availability(BOUNDS);
    availability.delayed(700, 750, 30);
    availability.delayed(100, 150, lateMs);
    availability.delayed(5_000, 5_050, 45);
    const request = { client: "one", proxy: "p1", what: "GET k", error: null };
    availability.note({ ...request, sentMs: 120, endedMs: 680 });
    return availability.violations().length;
  };
  assertEquals([judgedWith(61), judgedWith(59)], [0, 1]);
});

Deno.test("the share of time that is judged is reported", () => {
  const availability = new Availability(BOUNDS);
  availability.begin("down", { down: ["n1", "n2"] }, 1_000, 2_000).at(4_000);
  assertEquals(availability.shareOwed("p1", 0, 10_000), 0.7);
});
