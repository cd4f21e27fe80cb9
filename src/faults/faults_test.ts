import { assertEquals } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { type Logger, silentLogger } from "../base/logger.ts";
import { type Fault, Faults, FAULTS_MAX } from "./faults.ts";

const CUT: Fault = { kind: "isolate", peers: null, direction: "both" };
const SLOW: Fault = { kind: "slow-disk", delayMs: 30 };

function start(logger: Logger = silentLogger) {
  const clock = new ManualClock();
  const faults = new Faults(clock, logger);
  let changes = 0;
  faults.watch(() => changes++);
  return { clock, faults, changes: () => changes };
}

Deno.test("a fault ends by its time, and reports it", () => {
  const { clock, faults, changes } = start();
  faults.begin({ kind: "pause" }, 100);
  clock.advance(99.5);
  assertEquals([faults.isPaused, changes(), faults.texts()], [true, 1, ["pause, 1 ms left"]]);
  clock.advance(0.5);
  assertEquals([faults.isPaused, changes(), faults.texts()], [false, 2, []]);
});

Deno.test("a fault without a duration lasts until it is healed", () => {
  const { clock, faults } = start();
  faults.begin(CUT, null);
  faults.begin(SLOW, null);
  clock.advance(1e9);
  assertEquals(faults.texts(), ["isolate both", "slow-disk 30 ms"]);
  assertEquals(faults.heal("isolate"), 1);
  assertEquals([faults.isCut("n2", "in"), faults.syncDelayMs], [false, 30]);
  assertEquals([faults.heal(), faults.heal(), faults.isEmpty], [1, 0, true]);
});

Deno.test("healing cancels the timer of a fault", () => {
  const { clock, faults, changes } = start();
  faults.begin(SLOW, 100);
  faults.heal();
  faults.begin({ kind: "slow-disk", delayMs: 40 }, null);
  clock.advance(1_000);
  assertEquals([faults.syncDelayMs, changes()], [40, 3]);
});

Deno.test("the same fault again replaces the first, with its duration", () => {
  const { clock, faults } = start();
  faults.begin({ kind: "drop", peers: null, percent: 10 }, 50);
  faults.begin({ kind: "drop", peers: null, percent: 90 }, 100);
  assertEquals(faults.texts(), ["drop 90 %, 100 ms left"]);
  clock.advance(60);
  assertEquals(faults.dropPercent("n2"), 90);
  clock.advance(40);
  assertEquals(faults.dropPercent("n2"), 0);
});

Deno.test("faults concern the peers they name, and one direction if they say so", () => {
  const { faults } = start();
  faults.begin({ kind: "isolate", peers: ["n2"], direction: "in" }, null);
  faults.begin({ kind: "isolate", peers: ["n3"], direction: "out" }, null);
  faults.begin({ kind: "delay", peers: ["n2", "n3"], delayMs: 20 }, null);
  faults.begin({ kind: "delay", peers: ["n3"], delayMs: 5 }, null);
  faults.begin({ kind: "drop", peers: ["n3"], percent: 7 }, null);
  const seen = ["n2", "n3", "n4"].map((peer) => [
    faults.isCut(peer, "in"),
    faults.isCut(peer, "out"),
    faults.delayMs(peer),
    faults.dropPercent(peer),
  ]);
  assertEquals(seen, [[true, false, 20, 0], [false, true, 20, 7], [false, false, 0, 0]]);
  assertEquals(faults.texts(), [
    "isolate in from n2",
    "isolate out from n3",
    "delay 20 ms from n2,n3",
    "delay 5 ms from n3",
    "drop 7 % from n3",
  ]);
});

Deno.test("the number of active faults is limited", () => {
  const { faults } = start();
  for (let number = 0; number < FAULTS_MAX; number++) {
    assertEquals(faults.begin({ kind: "drop", peers: [`n${number}`], percent: 1 }, null), true);
  }
  assertEquals(faults.begin(SLOW, null), false);
  assertEquals(faults.begin({ kind: "drop", peers: ["n0"], percent: 2 }, null), true);
  assertEquals([faults.texts().length, faults.syncDelayMs], [FAULTS_MAX, 0]);
});

Deno.test("the log has the beginning and end of faults; a node that stops leaves no timer", () => {
  const lines: string[] = [];
  const warn = (line: string) => lines.push(line);
  const { clock, faults } = start({ ...silentLogger, warn });
  faults.begin(CUT, 100);
  clock.advance(100);
  faults.begin(SLOW, null);
  faults.heal();
  faults.begin({ kind: "pause" }, 100);
  faults.stop();
  clock.advance(1_000);
  assertEquals(lines, [
    "fault: isolate both for 100 ms",
    "fault: isolate both is over",
    "fault: slow-disk 30 ms",
    "fault: slow-disk 30 ms is healed",
    "fault: pause for 100 ms",
  ]);
});
