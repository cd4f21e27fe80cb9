import { assertEquals } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { silentLogger } from "../base/logger.ts";
import { AuditLines } from "./audit_lines.ts";

function start() {
  const clock = new ManualClock();
  const lines: string[] = [];
  const audit = new AuditLines(clock, { ...silentLogger, info: (line) => void lines.push(line) });
  return { clock, lines, audit };
}

Deno.test("what clients send cannot forge a line or a field", () => {
  const { lines, audit } = start();
  audit.write("denied", { user: 'a" user="root', object: "x\r\naudit ran\\\x1b[2J\xff" });
  audit.write("ran", { object: "y".repeat(1_000) });
  assertEquals(lines, [
    'audit denied user="a\\" user=\\"root" object="x\\x0d\\x0aaudit ran\\\\\\x1b[2J\\xff"',
    `audit ran object="${"y".repeat(128)}…"`,
  ]);
});

Deno.test("the rate of lines is limited, and what is left out is counted", () => {
  const { clock, lines, audit } = start();
  for (let left = 150; left > 0; left--) audit.write("denied", {});
  assertEquals(lines.length, 100);
  clock.advance(1_000);
  assertEquals(lines.slice(100), ['audit dropped lines="50"']);
  for (let left = 150; left > 0; left--) audit.write("denied", {});
  assertEquals(lines.length, 111);
  audit.stop();
});
