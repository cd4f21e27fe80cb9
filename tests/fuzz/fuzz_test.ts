import { assertEquals } from "@std/assert";
import { targetNamed, TARGETS } from "./all_targets.ts";
import { CORPUS } from "./corpus.ts";
import { runInput } from "./fuzz_case.ts";
import { FuzzRun } from "./fuzz_run.ts";
import { fuzzCluster } from "./live_cluster.ts";

const SECONDS_EACH = 0.3;

Deno.test("inputs that once broke a promise no longer do", () => {
  for (const { target, input } of CORPUS) runInput(targetNamed(target), input);
});

Deno.test("fresh inputs break no promise", async (test) => {
  const seed = Date.now() % 2 ** 31;
  const run = new FuzzRun();
  for (const { name } of TARGETS) {
    await test.step(`${name}, from seed ${seed}`, async () => {
      const { failure, cases } = await run.target({ target: name, seed, seconds: SECONDS_EACH });
      assertEquals(failure, null, `${failure}`);
      assertEquals(cases > 0, true);
    });
  }
  run.stop();
});

Deno.test("a node and a proxy survive nonsense on all their ports", async () => {
  const seed = Date.now() % 2 ** 31;
  await fuzzCluster({ seed, seconds: 1.5, nodes: 1 });
});
