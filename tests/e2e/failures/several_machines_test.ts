import { assertEquals, assertMatch } from "@std/assert";
import { type Machine, whyNoMachines, withMachines } from "../../support/machines.ts";
import { withTemporaryDirectory } from "../../support/temporary_directory.ts";
import { until } from "../../support/until.ts";

const reason = await whyNoMachines();

Deno.test({
  name: "a cluster on three machines comes back by the short commands of the README" +
    (reason === null ? "" : ` (${reason})`),
  ignore: reason !== null,
  fn: comesBack,
});

async function comesBack(): Promise<void> {
  await withTemporaryDirectory(async (dir) => {
    await withMachines(3, async (machines) => {
      const peers = machines.map(({ address }, at) => `n${at + 1}=${address}:17001`).join(",");
      const short = (at: number) => [
        ...["node", "--id", `n${at + 1}`, "--port", "7001", "--dir", `${dir}/n${at + 1}`],
      ];
      const [first] = machines as [Machine];
      const refused = await first.run([...short(0), "--peers", peers]);
      assertEquals(refused.code, 2);
      assertMatch(refused.stderr, /contradicts --host 127\.0\.0\.1: give --host 10\.77\.0\.1/);
      for (const [at, machine] of machines.entries()) {
        machine.start([...short(at), "--host", machine.address, "--peers", peers]);
      }
      await until("a node takes a write", () => written(machines, "1"), { timeoutMs: 120_000 });
      for (const machine of machines) await machine.kill();
      for (const [at, machine] of machines.entries()) machine.start(short(at));
      await until("a node takes a write again", () => written(machines, "2"), {
        timeoutMs: 120_000,
      });
    });
  });
}

/** Whether one of the nodes leads and accepts a write. */
async function written(machines: readonly Machine[], value: string): Promise<boolean> {
  const [asker] = machines;
  for (const { address } of machines) {
    const args = ["cli", "-h", address, "-p", "7001", "SET", "key", value];
    if ((await asker?.run(args))?.code === 0) return true;
  }
  return false;
}
