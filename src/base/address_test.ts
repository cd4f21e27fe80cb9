import { assertEquals } from "@std/assert";
import { formatAddress, formatRedisAddress, parseAddress, parseHost } from "./address.ts";

Deno.test("hosts by name, by IPv4, and by IPv6 with brackets and without", () => {
  const addresses: [text: string, host: string][] = [
    ["127.0.0.1:7000", "127.0.0.1"],
    ["a.example:7000", "a.example"],
    ["node_1:7000", "node_1"],
    ["[::1]:7000", "::1"],
    ["::1:7000", "::1"],
    ["[::]:7000", "::"],
    [":::7000", "::"],
    ["[fe80::1]:7000", "fe80::1"],
    ["fe80::1:7000", "fe80::1"],
    ["[fe80::1%eth0]:7000", "fe80::1%eth0"],
    ["2001:db8:1:2:3:4:5:6:7000", "2001:db8:1:2:3:4:5:6"],
    ["[64:ff9b::10.0.0.1]:7000", "64:ff9b::10.0.0.1"],
    ["::ffff:10.0.0.1:7000", "10.0.0.1"],
    ["[::FFFF:10.0.0.1]:7000", "10.0.0.1"],
  ];
  for (const [text, host] of addresses) {
    assertEquals(parseAddress(text), { host, port: 7000 }, text);
    assertEquals(parseHost(text.slice(0, -":7000".length)), host, text);
  }
});

Deno.test("a printed address can be parsed, in both forms", () => {
  for (const host of ["a.example", "10.0.0.1", "::1", "fe80::1%eth0", "1:2:3:4:5:6:7:8"]) {
    const address = { host, port: 17_001 };
    assertEquals(parseAddress(formatAddress(address)), address);
    assertEquals(parseAddress(formatRedisAddress(address)), address);
  }
  assertEquals(formatAddress({ host: "::1", port: 1 }), "[::1]:1");
  assertEquals(formatRedisAddress({ host: "::1", port: 1 }), "::1:1");
});

Deno.test("an invalid address is rejected", () => {
  const texts = [
    ...[
      "",
      ":",
      "a",
      "a:",
      ":7000",
      "a:b",
      "a:0",
      "a:65536",
      "a:-1",
      "a:1.5",
      "a:7000 ",
      "a b:7000",
    ],
    // An IPv6 address without a port: its last group is not a port.
    ...["::1", "fe80::1", "1:2:3:4:5:6:7:8"],
    ...["[::1]", "[::1:7000", "::1]:7000", "[a]:7000", "[]:7000", "[[::1]]:7000", "a:b:7000"],
    ...["1::2::3:7000", "[12345::]:7000", "[1:2:3:4:5:6:7:8:9]:7000", "[::300.0.0.1]:7000"],
    ...["n1=a:7000", "a,b:7000", "a@b:7000", "a\n:7000"],
  ];
  for (const text of texts) assertEquals(parseAddress(text), null, text);
});
