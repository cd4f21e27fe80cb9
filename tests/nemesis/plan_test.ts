import { assert, assertEquals } from "@std/assert";
import { seededRandom } from "../../src/base/random.ts";
import { planFaults } from "./plan.ts";

const SHAPE = { durationMs: 600_000, hasSmallDisk: true };

Deno.test("a seed decides the faults", () => {
  const plan = () => planFaults({ ...SHAPE, random: seededRandom(5) });
  assertEquals(plan(), plan());
  const other = planFaults({ ...SHAPE, random: seededRandom(6) });
  assert(JSON.stringify(plan()) !== JSON.stringify(other));
});

Deno.test("faults of all kinds occur in order, and end in time", () => {
  const plan = planFaults({ ...SHAPE, random: seededRandom(5) });
  assertEquals(new Set(plan.map(({ kind }) => kind)).size, 31);
  assert(plan.every(({ atMs }, at) => atMs >= (plan[at - 1]?.atMs ?? 0)));
  assert(plan.every(({ atMs, forMs }) => atMs + forMs <= SHAPE.durationMs));
  assert(
    plan.some(({ atMs }, at) => atMs < (plan[at - 1]?.atMs ?? 0) + (plan[at - 1]?.forMs ?? 0)),
  );
});

Deno.test("without a small disk the plan never fills one", () => {
  const plan = planFaults({ ...SHAPE, hasSmallDisk: false, random: seededRandom(5) });
  assert(plan.every(({ kind }) => kind !== "fill the disk"));
});
