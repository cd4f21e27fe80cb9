import { assertEquals } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { silentLogger } from "../base/logger.ts";
import { CutOffView } from "./cut_off.ts";
import { Faults } from "./faults.ts";

Deno.test("another thread knows who is cut off, in whichever direction", () => {
  const faults = new Faults(new ManualClock(), silentLogger);
  const view = new CutOffView();
  let changes = 0;
  view.watch(() => changes++);
  const isolated = () => {
    view.update(structuredClone(faults.cutOff));
    return ["n2", "n3", "n4", null].filter((node) => view.isIsolated(node));
  };
  assertEquals([isolated(), view.isEmpty, view.isPaused], [[], true, false]);
  faults.begin({ kind: "isolate", peers: ["n2"], direction: "in" }, null);
  faults.begin({ kind: "isolate", peers: ["n3"], direction: "out" }, null);
  faults.begin({ kind: "drop", peers: ["n4"], percent: 50 }, null);
  assertEquals([isolated(), view.isEmpty, view.isPaused], [["n2", "n3"], false, false]);
  faults.begin({ kind: "isolate", peers: null, direction: "both" }, null);
  assertEquals([isolated(), view.isEmpty], [["n2", "n3", "n4", null], false]);
  faults.heal();
  faults.begin({ kind: "pause" }, null);
  assertEquals([isolated(), view.isEmpty, view.isPaused], [[], false, true]);
  faults.heal();
  assertEquals([isolated(), view.isEmpty, changes], [[], true, 5]);
});
