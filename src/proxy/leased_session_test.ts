import { assertEquals } from "@std/assert";
import { randomInteger, seededRandom } from "../base/random.ts";
import { SERIAL_WINDOW } from "../store/once_sessions.ts";
import { LeasedSession } from "./write_sessions.ts";

Deno.test("all serials before the first open one are finished, in whatever order they end", () => {
  const random = seededRandom(1);
  const session = new LeasedSession("s", 0);
  const open: number[] = [];
  for (let step = 0; step < 50_000; step++) {
    if (session.span < SERIAL_WINDOW && random() < 0.5) open.push(session.nextSerial(step));
    else if (open.length > 0) {
      const [serial] = open.splice(randomInteger(random, Math.min(open.length, 500)), 1);
      session.release(serial ?? 0);
    }
    const oldest = open.length === 0 ? null : Math.min(...open);
    if (oldest !== null) assertEquals(session.acked, oldest - 1);
    else assertEquals(session.isDrained, true);
  }
});

Deno.test("serials grow by one from 1, and record when they were last requested", () => {
  const session = new LeasedSession("7-1", 5);
  assertEquals([session.nextSerial(10), session.nextSerial(20), session.usedMs], [1, 2, 20]);
});

Deno.test("a stamp has the session, the serial, and the last finished serial", () => {
  const session = new LeasedSession("7-1", 0);
  const texts = Array.from({ length: 3 }, () => session.stampText(session.nextSerial(0), 3));
  session.release(2);
  texts.push(session.stampText(session.nextSerial(0), 3));
  session.release(1);
  texts.push(session.stampText(session.nextSerial(0), 4));
  assertEquals(texts[0], "*6\r\n$4\r\nONCE\r\n$3\r\n7-1\r\n$3\r\n1/0\r\n");
  const told = texts.map((text) => /(\d+\/\d+)\r\n$/.exec(text)?.[1]);
  assertEquals(told, ["1/0", "2/0", "3/0", "4/0", "5/2"]);
  assertEquals(texts[4]?.slice(0, 4), "*7\r\n");
});
