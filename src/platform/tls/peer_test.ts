import { assertEquals, assertThrows } from "@std/assert";
import type { Certificate } from "./certificate.ts";
import { CertifiedPeer, isPeerName, peerUri } from "./peer.ts";

type Names = Partial<Pick<Certificate, "uris" | "dnsNames" | "commonNames">>;

function peer(names: Names): CertifiedPeer {
  return new CertifiedPeer({ uris: [], dnsNames: [], commonNames: [], ...names } as Certificate);
}

Deno.test("a certificate is what its URIs say, and nothing else", () => {
  const node = peer({
    uris: [peerUri("node", "n1")],
    dnsNames: ["n2", "proxy"],
    commonNames: ["n3"],
  });
  assertEquals(["n1", "n2", "n3", "N1", ""].map((id) => node.isNode(id)), [
    true,
    false,
    false,
    false,
    false,
  ]);
  assertEquals([node.isProxy, node.clientName, String(node)], [false, null, "node n1"]);
  const both = peer({ uris: ["regent://node/n1", "regent://proxy/p", "https://other/x"] });
  assertEquals([both.isNode("n1"), both.isProxy, both.mayBeNode], [true, true, true]);
  const client = peer({ uris: ["regent://client/n1"], commonNames: ["n1", "proxy"] });
  assertEquals([client.isNode("n1"), client.mayBeNode, client.isProxy], [false, false, false]);
  assertEquals(client.clientName, "n1");
});

Deno.test("a certificate with a URI that says nothing is refused", () => {
  const bad = ["regent://node/", "regent://nodes/n1", "regent://node/a/b", "REGENT://node/n1"];
  for (const uri of [...bad, "regent:node/n1", "regent://node/n1?x", "regent://node/n1\n"]) {
    assertThrows(() => peer({ uris: [uri], commonNames: ["n1"] }), Error, "which is nobody", uri);
  }
});

Deno.test("without a URI, the names of a certificate count", () => {
  const node = peer({ dnsNames: ["N1.db.example"], commonNames: ["ignored", "n2"] });
  assertEquals(["n1.db.example", "n2", "n1"].map((id) => node.isNode(id)), [true, true, false]);
  assertEquals([node.mayBeNode, node.isProxy, node.clientName], [true, false, "ignored"]);
  assertEquals(peer({ dnsNames: ["proxy"] }).isProxy, true);
  assertEquals(peer({ uris: ["spiffe://a/b"], commonNames: ["n1"] }).isNode("n1"), true);
  const nobody = peer({});
  assertEquals([nobody.isNode(""), nobody.isProxy, String(nobody)], [false, false, "nobody"]);
});

Deno.test("names of peers are those of nodes", () => {
  assertEquals(["n1", "a.b_c-D", "x".repeat(64)].map(isPeerName), [true, true, true]);
  assertEquals(
    ["", "a/b", "x".repeat(65), "ä", "a b", "n1\n"].map(isPeerName),
    Array(6).fill(false),
  );
});
