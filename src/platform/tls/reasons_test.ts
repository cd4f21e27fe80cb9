import { assertEquals, assertMatch } from "@std/assert";
import { tlsReason } from "./reasons.ts";

Deno.test("the runtime's messages are put into words", () => {
  const cases: [string, RegExp][] = [
    ["unable to verify the first certificate", /not from an authority that is known here/],
    ["self-signed certificate in certificate chain", /not from an authority that is known here/],
    ["certificate has expired", /its certificate has expired/],
    ["received corrupt message of type InvalidContentType", /speaks no TLS/],
    ["received fatal alert: UnknownCA", /refuses the certificate/],
    ["received fatal alert: CertificateExpired", /refuses the certificate/],
    ["peer is incompatible: NoCipherSuitesInCommon", /nothing|no version or cipher/],
    [
      "Client network socket disconnected before secure TLS connection was established",
      /^closed by the other side within the TLS handshake$/,
    ],
  ];
  for (const [message, reason] of cases) assertMatch(tlsReason(message), reason);
  assertEquals(tlsReason("connect ECONNREFUSED 127.0.0.1:1"), "connect ECONNREFUSED 127.0.0.1:1");
});
