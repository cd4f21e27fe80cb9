import { assertEquals } from "@std/assert";
import { parseConfiguration } from "./configuration.ts";

const MEMBER = { id: "n1", raftAddress: { host: "h", port: 1 }, isLearner: false };

Deno.test("a configuration is read back as it was, and refused when anything in it is wrong", () => {
  for (const member of [MEMBER, { ...MEMBER, incarnation: "i1" }]) {
    const configuration = { members: [member], removed: ["n2"] };
    assertEquals(parseConfiguration(JSON.parse(JSON.stringify(configuration))), configuration);
  }
  const wrongMembers = [
    { ...MEMBER, id: "" },
    { ...MEMBER, raftAddress: "h:1" },
    { ...MEMBER, isLearner: 1 },
    { ...MEMBER, isLearner: true }, // nobody votes
    { ...MEMBER, incarnation: "" },
    { ...MEMBER, incarnation: 7 },
  ];
  for (const member of wrongMembers) {
    assertEquals(
      parseConfiguration({ members: [member], removed: [] }),
      null,
      JSON.stringify(member),
    );
  }
  for (
    const wrong of [null, [], {}, { members: [MEMBER] }, { members: [MEMBER], removed: ["n1"] }]
  ) {
    assertEquals(parseConfiguration(wrong), null, JSON.stringify(wrong));
  }
});
