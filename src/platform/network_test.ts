import { assertEquals } from "@std/assert";
import { shortReason } from "./network.ts";

Deno.test("the reason why a connection failed or ended is short where it is known", () => {
  for (
    const [reason, short] of [
      ["connect ECONNREFUSED 127.0.0.1:1", "refused"],
      ["connect EHOSTUNREACH 10.0.0.1:1", "unreachable"],
      ["connect ENETUNREACH 10.0.0.1:1", "unreachable"],
      ["getaddrinfo ENOTFOUND nowhere", "unknown host"],
      ["getaddrinfo EAI_AGAIN nowhere", "unknown host"],
      ["read ECONNRESET", "reset"],
      ["closed by the other side", "closed by the other side"],
    ] as const
  ) assertEquals(shortReason(reason), short);
});
