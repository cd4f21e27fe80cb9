import { assertEquals } from "@std/assert";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import { seededRandom } from "../../base/random.ts";
import type { ClockRequest } from "../peers/peer_message.ts";
import { MemberClocks } from "./member_clocks.ts";

const YEAR_MS = 365 * 24 * 3600 * 1000;
const MEMBERS = ["n1", "n2", "n3", "n4", "n5"];

/** The clocks of a cluster as n1 measures them. */
class Measured {
  readonly clock = new ManualClock();
  readonly clocks = new MemberClocks({
    id: "n1",
    clock: this.clock,
    random: seededRandom(1),
    clockOffsetMsMax: 10_000,
  });
  readonly trueMs: () => number;

  constructor() {
    const originMs = this.clock.wallOffsetMs;
    this.trueMs = () => originMs + this.clock.monotonicMs();
  }

  /** @returns the round trip, if the reply counts */
  answer(request: ClockRequest | undefined, wrongBy = 0): number | null {
    return this.clocks.handleReply({
      type: "clockReply",
      from: request?.to ?? "",
      to: "n1",
      serial: (request?.serial ?? 0) + wrongBy,
      timeMs: this.trueMs(),
      logTimeMs: null,
    });
  }

  /** Asks all members, and lets those reply whose clock errors are given. */
  measure(offsets: Readonly<Record<string, number>>, there = 5, back = 5): void {
    const requests = this.clocks.requests(MEMBERS);
    this.clock.advance(there);
    const atMs = this.trueMs();
    this.clock.advance(back);
    for (const { from, to, serial } of requests) {
      const offsetMs = offsets[to];
      if (offsetMs === undefined) continue;
      this.clocks.handleReply({
        type: "clockReply",
        from: to,
        to: from,
        serial,
        timeMs: atMs + offsetMs,
        logTimeMs: null,
      });
    }
  }
}

Deno.test("an offset is positive if the clock is ahead, whatever the travel time", () => {
  const measured = new Measured();
  measured.measure({ n2: 0, n3: 0 }, 150, 150);
  measured.clock.wallOffsetMs += 700;
  assertEquals(measured.clocks.offsetMs(["n1", "n2", "n3"]), 700);
  assertEquals(measured.clocks.offsetMs(["n1", "n2", "n3"], "n2"), 0);
  measured.clock.wallOffsetMs -= 1_400;
  assertEquals(measured.clocks.offsetMs(["n1", "n2", "n3"]), -700);
});

Deno.test("an answer that took too long, or answers no request, is ignored", () => {
  const measured = new Measured();
  measured.measure({ n2: 0, n3: 0 }, 10, 1_000);
  assertEquals(measured.clocks.offsetMs(["n1", "n2", "n3"]), null);
  const [request] = measured.clocks.requests(MEMBERS);
  assertEquals(measured.answer(request, 1), null);
  measured.clock.advance(1);
  assertEquals(measured.clocks.majorityMs(["n1", "n2"]), null);
  assertEquals(measured.answer(request), 1);
  assertEquals(measured.clocks.majorityMs(["n1", "n2"]), measured.trueMs());
});

Deno.test("an answer belongs to its own request, also if others were asked meanwhile", () => {
  const measured = new Measured();
  const [first] = measured.clocks.requests(MEMBERS);
  measured.clock.advance(100);
  const [second] = measured.clocks.requests(MEMBERS);
  measured.clock.advance(100);
  assertEquals(measured.answer(first), 200);
  assertEquals(measured.clocks.majorityMs(["n1", "n2"]), measured.trueMs());
  assertEquals(measured.clocks.offsetMs(["n1", "n2"], "n2"), 50); // its clock, a way later
  measured.clock.advance(100);
  assertEquals(measured.answer(second), 200);
  assertEquals(measured.answer(first), null); // the newer answer counts
});

Deno.test("when one is asked anew all are, known or not", () => {
  const measured = new Measured();
  measured.measure({ n2: 0, n3: 0 });
  assertEquals(measured.clocks.requests(MEMBERS), []);
  measured.clocks.askAnew();
  assertEquals(measured.clocks.requests(MEMBERS).length, 4);
  assertEquals(measured.clocks.requests(MEMBERS), []);
});

Deno.test("after a jump of its own clock only later measurements of the others count", () => {
  const measured = new Measured();
  const three = ["n1", "n2", "n3"];
  measured.measure({ n2: YEAR_MS, n3: YEAR_MS });
  assertEquals(measured.clocks.majorityMs(three), measured.trueMs() + YEAR_MS);
  measured.clock.advance(10);
  measured.clock.wallOffsetMs -= YEAR_MS; // they were all put right, perhaps
  assertEquals(measured.clocks.majorityMs(three), null);
  assertEquals(measured.clocks.requests(three).length, 2);
  measured.clock.advance(50); // and until they are known again
  measured.measure({ n2: YEAR_MS, n3: YEAR_MS });
  assertEquals(measured.clocks.majorityMs(three), measured.trueMs() + YEAR_MS);
});

Deno.test("members are asked often until they are known, then once a second, and forgotten in time", () => {
  const { clock, clocks } = new Measured();
  const asked = () => clocks.requests(["n1", "n2"]).map(({ to }) => to);
  assertEquals(asked(), ["n2"]);
  assertEquals(asked(), []);
  clock.advance(50);
  const [request] = clocks.requests(["n1", "n2"]);
  const serial = request?.serial ?? 0;
  const reply = { type: "clockReply", from: "n2", to: "n1", serial, logTimeMs: null } as const;
  clocks.handleReply({ ...reply, timeMs: clock.nowMs() });
  clock.advance(999);
  assertEquals(asked(), []);
  clock.advance(1);
  assertEquals(asked(), ["n2"]);
  clock.advance(3_999);
  assertEquals(clocks.majorityMs(["n1", "n2"]), clock.nowMs());
  clock.advance(1);
  assertEquals(clocks.majorityMs(["n1", "n2"]), null);
});

Deno.test("a minority moves the majority's time in neither direction", () => {
  for (const wrongMs of [10 * YEAR_MS, -10 * YEAR_MS]) {
    for (
      const [offsets, own] of [
        [{ n2: 0, n3: wrongMs }, 0],
        [{ n2: 0, n3: 0 }, wrongMs],
        [{ n2: 0, n3: 0, n4: wrongMs, n5: wrongMs }, 0],
        [{ n2: 0, n3: 0, n4: 0, n5: wrongMs }, wrongMs],
      ] as const
    ) {
      const measured = new Measured();
      const voters = MEMBERS.slice(0, Object.keys(offsets).length + 1);
      measured.measure(offsets);
      measured.clock.wallOffsetMs += own;
      assertEquals(measured.clocks.majorityMs(voters), measured.trueMs(), voters.join());
    }
  }
});

Deno.test("one wrong clock and one right one, without the third, do not jump ahead", () => {
  const measured = new Measured();
  measured.measure({ n2: 10 * YEAR_MS });
  assertEquals(measured.clocks.majorityMs(["n1", "n2", "n3"]), measured.trueMs());
});

Deno.test("less than a majority has no time; a lone node trusts its own clock", () => {
  const measured = new Measured();
  measured.measure({ n2: 0 });
  assertEquals(measured.clocks.majorityMs(["n1", "n2", "n3", "n4", "n5"]), null);
  assertEquals(measured.clocks.offsetMs(["n1", "n2", "n3", "n4", "n5"]), null);
  assertEquals(measured.clocks.majorityMs([]), null);
  assertEquals(measured.clocks.majorityMs(["n1"]), measured.clock.nowMs());
  assertEquals(measured.clocks.isWrong(["n1"]), false);
});

Deno.test("a clock is wrong when a majority is far from it, and not when only a minority is", () => {
  const three = ["n1", "n2", "n3"];
  const cases: [own: number, n2: number, n3: number, wrong: string[]][] = [
    [0, 0, 0, []],
    [9_000, 0, 0, []],
    [11_000, 0, 0, ["n1"]],
    [-11_000, 0, 0, ["n1"]],
    [0, -YEAR_MS, 0, ["n2"]],
    [0, 0, YEAR_MS, ["n3"]],
    [0, -YEAR_MS, YEAR_MS, []], // no two agree, and somebody has to lead
    [0, 8_000, 16_000, []],
    [-4_000, 8_000, 16_000, ["n1"]],
  ];
  for (const [own, n2, n3, wrong] of cases) {
    const measured = new Measured();
    measured.measure({ n2, n3 });
    measured.clock.wallOffsetMs += own;
    assertEquals(three.filter((id) => measured.clocks.isWrong(three, id)), wrong);
  }
});

Deno.test("of two that differ, or without the third, no clock is known to be wrong", () => {
  const measured = new Measured();
  measured.measure({ n2: YEAR_MS });
  for (const voters of [["n1", "n2"], ["n1", "n2", "n3"]]) {
    assertEquals(voters.filter((id) => measured.clocks.isWrong(voters, id)), []);
  }
});

Deno.test("an exact measurement is kept until it can no longer be right", () => {
  const measured = new Measured();
  const two = ["n1", "n2"];
  const offsetMs = () => measured.clocks.offsetMs(two, "n2");
  measured.measure({ n2: 100 }, 1, 1);
  assertEquals(offsetMs(), 50); // from the middle between the two
  measured.clock.advance(1_000);
  measured.measure({ n2: 100 }, 5, 300);
  assertEquals(offsetMs(), 50);
  measured.clock.advance(1_000);
  measured.measure({ n2: 500 }, 150, 150);
  assertEquals(offsetMs(), 250);
});

Deno.test("after a jump a clock is judged by later measurements of the others", () => {
  const three = ["n1", "n2", "n3"];
  for (const othersMs of [0, -YEAR_MS]) {
    const measured = new Measured();
    measured.measure({ n2: 0, n3: 0 });
    measured.clock.wallOffsetMs -= YEAR_MS;
    measured.clock.advance(1);
    assertEquals(measured.clocks.isWrong(three), false); // theirs may have been set as well
    measured.clock.advance(1_000);
    measured.measure({ n2: othersMs, n3: othersMs });
    assertEquals(measured.clocks.isWrong(three), othersMs === 0);
  }
});
