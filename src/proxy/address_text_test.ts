import { assertEquals } from "@std/assert";
import { addressText, parseAddressText } from "./address_text.ts";

Deno.test("host and port are read, with or without brackets", () => {
  assertEquals(parseAddressText("127.0.0.1:7000"), { host: "127.0.0.1", port: 7000 });
  assertEquals(parseAddressText("[::1]:7000"), { host: "::1", port: 7000 });
  assertEquals(parseAddressText("fe80::1:7000"), { host: "fe80::1", port: 7000 });
  assertEquals(parseAddressText("::ffff:10.0.0.1:7000"), { host: "10.0.0.1", port: 7000 });
  assertEquals(addressText({ host: "a.example", port: 1 }), "a.example:1");
});

Deno.test("what is no address is none", () => {
  for (const text of ["", "host", ":7000", "host:", "host:0", "host:65536", "host:1.5", "host:x"]) {
    assertEquals(parseAddressText(text), null, text);
  }
});
