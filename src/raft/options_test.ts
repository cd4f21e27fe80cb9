import { assertEquals, assertThrows } from "@std/assert";
import { TestLog } from "../../tests/support/raft/test_log.ts";
import { completeOptions } from "./options.ts";

const options = {
  id: "a",
  configurations: [{ index: 0, configuration: { voters: ["a", "b"], learners: [] } }],
  configurationOf: () => null,
  hardState: { term: 0, vote: null },
  log: new TestLog(),
  random: () => 0,
  electionTicks: 10,
  heartbeatTicks: 2,
  sizeOf: (data: string) => data.length,
};

Deno.test("completeOptions() fills in missing options", () => {
  const { standing, appendBytesMax, inflightMax } = completeOptions({ ...options, inflightMax: 7 });
  assertEquals([standing, appendBytesMax, inflightMax], ["normal", 1024 * 1024, 7]);
});

Deno.test("completeOptions() rejects invalid values", () => {
  const refused = (change: Record<string, unknown>, message: string) =>
    assertThrows(() => completeOptions({ ...options, ...change }), RangeError, message);
  refused({ electionTicks: 0 }, "Cannot use electionTicks: current value is 0");
  refused({ inflightMax: 1.5 }, "Cannot use inflightMax: current value is 1.5");
  refused({ heartbeatTicks: 10 }, "current value is 10");
  refused({ appliedIndex: 1 }, "outside the log's 0 to 0: current value is 1");
  const at = (index: number) => ({ index, configuration: { voters: ["a"], learners: [] } });
  refused({ configurations: [] }, "Cannot use configurations");
  refused({ configurations: [at(1)] }, "current value is 1");
  refused({ configurations: [at(0), at(1)] }, "current value is 0,1");
  refused({ configurations: [at(0), at(0)] }, "current value is 0,0");
});
