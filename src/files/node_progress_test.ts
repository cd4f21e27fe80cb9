import { assertEquals } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { progressIn, ProgressQuestions } from "./node_progress.ts";

const PULLS = {
  blobs: [{ blob: "a", size: 10, bytes: 4 }],
  left: 2,
  bytesLeft: 16,
  bytesPerSecond: 3,
  bytesPerSecondMax: 9,
  blobsDone: 1,
  bytesDone: 14,
  failures: 0,
};
const SCRUB = {
  done: 1,
  total: 2,
  rounds: 3,
  bytes: 40,
  bytesPerSecond: 4,
  bytesPerSecondMax: 8,
  corrupt: 0,
};

Deno.test("what a node says of its progress is checked, and unknown fields are ignored", () => {
  const whole = { node: "n1", pulls: PULLS, scrub: SCRUB };
  assertEquals(progressIn("n1", { ...whole, other: 1, scrub: { ...SCRUB, other: 2 } }), whole);
  const wrong = [
    undefined,
    "text",
    { pulls: PULLS },
    { pulls: { ...PULLS, left: -1 }, scrub: SCRUB },
    { pulls: { ...PULLS, blobs: [{}] }, scrub: SCRUB },
    { pulls: PULLS, scrub: { ...SCRUB, total: "many" } },
  ];
  for (const answer of wrong) assertEquals(progressIn("n1", answer), null);
});

Deno.test("a silent node is waited for shortly, and not asked again until it answers", async () => {
  const clock = new ManualClock();
  const asked: string[] = [];
  const silent = Promise.withResolvers<unknown>();
  const questions = new ProgressQuestions((address) => {
    asked.push(address);
    if (address === "gone") return Promise.reject(new Error("refused"));
    return address === "silent" ? silent.promise : Promise.resolve({ pulls: PULLS, scrub: SCRUB });
  }, clock);
  assertEquals((await questions.ask("n1", "here"))?.pulls.left, 2);
  assertEquals(await questions.ask("n2", "gone"), null);
  for (let at = 0; at < 2; at++) {
    const answer = questions.ask("n3", "silent");
    clock.advance(1_001);
    assertEquals(await answer, null);
  }
  assertEquals(asked, ["here", "gone", "silent"]);
  const late = questions.ask("n3", "silent");
  silent.resolve({ pulls: PULLS, scrub: SCRUB });
  assertEquals((await late)?.node, "n3");
  assertEquals((await questions.ask("n3", "here"))?.scrub.done, 1);
});
