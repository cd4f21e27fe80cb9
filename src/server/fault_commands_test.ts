import { assertEquals, assertInstanceOf } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { serve } from "../../tests/support/serve.ts";
import { silentLogger } from "../base/logger.ts";
import { Faults, FAULTS_MAX } from "../faults/faults.ts";
import { ErrorReply, OK, type Reply } from "../resp/reply.ts";
import { FaultCommands, type FaultTools } from "./fault_commands.ts";

const NODE = {
  report: () => ({ id: "n1", members: ["n1", "n2", "n3"].map((id) => ({ id })) }),
};

function fault(tools: FaultTools | null, ...args: string[]): Reply {
  return serve(["FAULT", ...args], { ofNode: { faults: new FaultCommands(tools, NODE) } });
}

function start() {
  const clock = new ManualClock();
  const faults = new Faults(clock, silentLogger);
  let crashes = 0;
  const tools = { faults, crash: () => crashes++ };
  const run = (...args: string[]) => fault(tools, ...args);
  return { clock, faults, run, crashes: () => crashes };
}

function errorOf(reply: Reply): string {
  assertInstanceOf(reply, ErrorReply);
  return reply.text;
}

Deno.test("FAULT begins, lists and heals", () => {
  const { clock, run } = start();
  assertEquals(run("ISOLATE", "FROM", "n2", "IN", "5000"), OK);
  assertEquals(run("slow-disk", "20"), OK);
  clock.advance(1_000);
  assertEquals(run("LIST"), ["isolate in from n2, 4000 ms left", "slow-disk 20 ms"]);
  assertEquals(run("HEAL", "Isolate"), 1);
  assertEquals(run("heal"), 1);
  assertEquals([run("heal"), run("list")], [0, []]);
});

Deno.test("FAULT CRASH ends the process; with more arguments, it does not", () => {
  const { run, crashes } = start();
  assertEquals(errorOf(run("crash", "now")), wrongNumber("crash"));
  assertEquals(crashes(), 0);
  run("crash");
  assertEquals(crashes(), 1);
});

Deno.test("an invalid fault changes nothing", () => {
  const { run } = start();
  assertEquals(errorOf(run("list", "all")), wrongNumber("list"));
  assertEquals(errorOf(run("heal", "pause", "drop")), wrongNumber("heal"));
  errorOf(run("heal", "crash"));
  errorOf(run("isolate", "from", "n1"));
  errorOf(run(""));
  assertEquals(run("list"), []);
});

Deno.test("a node without --allow-faults refuses all faults", () => {
  const refused = ["pause", "isolate", "crash", "heal", "list"].map((what) =>
    errorOf(fault(null, what))
  );
  const off = "ERR FAULT is off: this node was not started with --allow-faults";
  assertEquals(new Set(refused), new Set([off]));
});

function wrongNumber(subcommand: string): string {
  return `ERR wrong number of arguments for 'fault|${subcommand}' command`;
}

Deno.test("FAULT is refused when there are too many faults", () => {
  const { faults, run } = start();
  for (let peer = 0; peer < FAULTS_MAX; peer++) {
    faults.begin({ kind: "delay", delayMs: 50, peers: [`p${peer}`] }, null);
  }
  assertEquals(
    errorOf(run("delay", "50")),
    `ERR there are ${FAULTS_MAX} faults already: FAULT HEAL ends them`,
  );
  assertEquals(run("heal"), FAULTS_MAX);
  assertEquals(run("delay", "50"), OK);
});
