import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { ProtocolError } from "./frames.ts";
import { decodeHello, decodeNotice, decodeWelcome, type Notice, refusedSentence } from "./hello.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("a malformed hello is refused", () => {
  const hello = {
    ...{ protocol: { oldest: 3, newest: 4 }, machine: { oldest: 1, newest: 2 } },
    ...{ cluster: "c", from: "n1", to: "n2", host: "h", port: 7001 },
    ...{ raftHost: "h", raftPort: 17001, configuration: 3 },
    ...{ incarnation: "i", life: "l", founders: { n1: "i" }, isFounded: false },
  };
  assertEquals(decodeHello(bytes(JSON.stringify(hello))), { ...hello, lane: null });
  for (const [said, lane] of [["bulk", "bulk"], ["urgent", "urgent"], ["later", null], [5, null]]) {
    const text = JSON.stringify({ ...hello, lane: said });
    assertEquals(decodeHello(bytes(text)).lane, lane as "bulk" | "urgent" | null);
  }
  for (
    const change of [
      { protocol: 3 },
      { protocol: undefined },
      { protocol: { oldest: 4, newest: 3 } },
      { protocol: { oldest: -1, newest: 3 } },
      { machine: { oldest: 1 } },
      { machine: null },
      { cluster: 5 },
      { from: "x".repeat(256) },
      { to: null },
      { port: "7001" },
      { port: 65_536 },
      { host: "" },
      { host: "h\r\n+OK" },
      { host: "h 7001" },
      { incarnation: undefined },
      { life: 5 },
      { founders: { n1: 5 } },
      { founders: [] },
      { isFounded: 1 },
    ]
  ) {
    const text = JSON.stringify({ ...hello, ...change });
    assertThrows(() => decodeHello(bytes(text)), ProtocolError);
  }
});

Deno.test("a welcome is in a version that was offered", () => {
  const spoken = { oldest: 3, newest: 4 };
  const welcome = (protocol: unknown) => bytes(JSON.stringify({ type: "welcome", protocol }));
  assertEquals([3, 4].map((version) => decodeWelcome(welcome(version), spoken).protocol), [3, 4]);
  for (const wrong of [2, 5, 3.5, "3", undefined]) {
    assertThrows(() => decodeWelcome(welcome(wrong), spoken), ProtocolError);
  }
  assertThrows(() => decodeWelcome(bytes('{"type":"alive"}'), spoken), ProtocolError);
});

Deno.test("only a receiver's message that a node may not take part is a notice", () => {
  const removed = { type: "removed", cluster: "c", to: "n1", at: { host: "h", port: 7001 } };
  for (const type of ["removed", "stranger", "copy"]) {
    const notice = { ...removed, type };
    assertEquals(decodeNotice(bytes(JSON.stringify(notice))), notice as Notice);
    for (const at of [undefined, null, "h:7001", { host: "h\n", port: 1 }, { host: "h" }]) {
      const older = { ...notice, at };
      assertEquals(decodeNotice(bytes(JSON.stringify(older))), { ...notice, at: null } as Notice);
    }
  }
  for (
    const other of [{ type: "alive" }, {}, { ...removed, to: 7 }, { ...removed, cluster: null }]
  ) {
    assertEquals(decodeNotice(bytes(JSON.stringify(other))), null);
  }
  assertThrows(() => decodeNotice(bytes("removed")), ProtocolError);
});

Deno.test("why a node may not take part is told, with what to do about it", () => {
  const at = { host: "::1", port: 7001 };
  assertMatch(
    refusedSentence("n3", "n1", "copy", at),
    /^Cannot take part as n3: another process runs under this id, .* says n1; stop one of them/,
  );
  assertMatch(
    refusedSentence("n3", "n1", "stranger", at),
    /or run regent remove n3 --from \[::1\]:7001, and start this node/,
  );
  assertMatch(refusedSentence("n3", "n1", "stranger", null), /or run regent remove n3, and start/);
});
