import { judgeAvailability } from "./availability.ts";

const SEEDS = 3;

for (let seed = 1; seed <= SEEDS; seed++) {
  Deno.test(`availability: a fault excuses no error, and no wait beyond its bound (seed ${seed})`, async () => {
    const wrong = await judgeAvailability(seed);
    if (wrong !== null) throw new Error(wrong);
  });
}
