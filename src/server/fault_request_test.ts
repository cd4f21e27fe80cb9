import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { serve } from "../../tests/support/serve.ts";
import { silentLogger } from "../base/logger.ts";
import { type FaultKind, Faults } from "../faults/faults.ts";
import { ErrorReply, type Reply } from "../resp/reply.ts";
import { FaultCommands, parseFault } from "./fault_commands.ts";

const OTHERS = ["n2", "n3"];

function parse(text: string) {
  const [kind = "", ...words] = text.split(" ");
  return parseFault(kind.toLowerCase() as FaultKind, words, OTHERS);
}

/** The reply of a node with these peers. */
function ask(args: readonly string[], others = OTHERS): Reply {
  const members = ["n1", ...others].map((id) => ({ id }));
  const tools = { faults: new Faults(new ManualClock(), silentLogger), crash() {} };
  const faults = new FaultCommands(tools, { report: () => ({ id: "n1", members }) });
  return serve(["FAULT", ...args], { ofNode: { faults } });
}

Deno.test("each fault is parsed, with and without peers, direction and duration, in any case", () => {
  const cases: [string, unknown, number | null][] = [
    ["pause", { kind: "pause" }, null],
    ["PAUSE 5000", { kind: "pause" }, 5000],
    ["isolate", { kind: "isolate", peers: null, direction: "both" }, null],
    ["isolate 1", { kind: "isolate", peers: null, direction: "both" }, 1],
    ["Isolate In", { kind: "isolate", peers: null, direction: "in" }, null],
    ["isolate OUT 86400000", { kind: "isolate", peers: null, direction: "out" }, 86_400_000],
    ["isolate FROM n3,n2,n3 both 70", {
      kind: "isolate",
      peers: ["n2", "n3"],
      direction: "both",
    }, 70],
    ["delay 50", { kind: "delay", delayMs: 50, peers: null }, null],
    ["delay 50 from n2 900", { kind: "delay", delayMs: 50, peers: ["n2"] }, 900],
    ["drop 100", { kind: "drop", percent: 100, peers: null }, null],
    ["drop 1 from n3", { kind: "drop", percent: 1, peers: ["n3"] }, null],
    ["slow-disk 60000", { kind: "slow-disk", delayMs: 60_000 }, null],
    ["slow-disk 200 3000", { kind: "slow-disk", delayMs: 200 }, 3000],
  ];
  for (const [text, fault, durationMs] of cases) {
    assertEquals<unknown>(parse(text), { fault, durationMs }, text);
  }
});

const DURATION = "ERR the duration is a whole number from 1 to 86400000: current value is ";
const DELAY = "ERR the delay is a whole number from 1 to 60000: current value is ";
const PERCENT = "ERR the percentage is a whole number from 1 to 100: current value is ";

Deno.test("anything else is refused, with the reason", () => {
  const cases: [string, string][] = [
    ["pause 0", `${DURATION}'0'`],
    ["pause 86400001", `${DURATION}'86400001'`],
    ["pause -1", `${DURATION}'-1'`],
    ["pause 1e3", `${DURATION}'1e3'`],
    ["pause 1.5", `${DURATION}'1.5'`],
    ["pause 0x10", `${DURATION}'0x10'`],
    ["pause 99999999999999999999999", `${DURATION}'99999999999999999999999'`],
    ["pause Infinity", `${DURATION}'Infinity'`],
    ["pause for", `${DURATION}'for'`],
    ["isolate sideways", `${DURATION}'sideways'`],
    ["pause 5 5", "ERR FAULT pause does not understand '5'"],
    ["isolate in out", `${DURATION}'out'`],
    ["isolate from n1", "ERR Cannot find peer 'n1': the peers are n2, n3"],
    ["isolate from n2,", "ERR Cannot find peer '': the peers are n2, n3"],
    ["isolate from", "ERR Cannot find peer '': the peers are n2, n3"],
    ["isolate from __proto__", "ERR Cannot find peer '__proto__': the peers are n2, n3"],
    ["delay", "ERR wrong number of arguments for 'fault|delay' command"],
    ["delay 60001", `${DELAY}'60001'`],
    ["delay from n2", `${DELAY}'from'`],
    ["drop 0", `${PERCENT}'0'`],
    ["drop 101", `${PERCENT}'101'`],
    ["drop 5%", `${PERCENT}'5%'`],
    ["slow-disk", "ERR wrong number of arguments for 'fault|slow-disk' command"],
    ["slow-disk 5 from n2", `${DURATION}'from'`],
    [
      "heal constructor",
      "ERR unknown fault 'constructor': expected pause, isolate, delay, drop, slow-disk",
    ],
    [
      "constructor",
      "ERR unknown subcommand 'constructor'. Try FAULT HELP.",
    ],
  ];
  for (const [text, message] of cases) {
    const refusal = ask(text.split(" "));
    assertInstanceOf(refusal, ErrorReply, text);
    assertEquals(refusal.text, message, text);
  }
});

Deno.test("an error repeats little of the request, and no control character", () => {
  for (
    const args of [["\r\n" + "x".repeat(1e6)], ["pause", "\r\n"], ["isolate", "from", "\0\xff"]]
  ) {
    const refusal = ask(args);
    assertInstanceOf(refusal, ErrorReply);
    assert(refusal.text.length < 200 && /^[\x20-\x7e]*$/.test(refusal.text), refusal.text);
  }
});

Deno.test("the error of a node without peers says that there are none", () => {
  const refusal = ask(["isolate", "from", "n2"], []);
  assertInstanceOf(refusal, ErrorReply);
  assertEquals(refusal.text, "ERR Cannot find peer 'n2': the peers are none");
});
