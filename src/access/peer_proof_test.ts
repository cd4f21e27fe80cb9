import { assertEquals } from "@std/assert";
import { ErrorReply, OK } from "../resp/reply.ts";
import { ClusterSecret, PeerHandshake } from "./peer_proof.ts";

const secret = new ClusterSecret("0123456789abcdef");

Deno.test("a proof holds for its challenge, its nonce and its secret, and for no other", () => {
  const [challenge, nonce] = [secret.newNonce(), secret.newNonce()];
  const proof = secret.proof(challenge, nonce);
  assertEquals(secret.isProof(proof, challenge, nonce), true);
  assertEquals(secret.isProof(proof, secret.newNonce(), nonce), false);
  assertEquals(secret.isProof(proof, challenge, secret.newNonce()), false);
  assertEquals(secret.isProof(secret.answer(challenge, nonce), challenge, nonce), false);
  assertEquals(secret.isProof("", challenge, nonce), false);
  assertEquals(secret.isProof(secret.proof(challenge, "x"), challenge, "x"), false);
  const other = new ClusterSecret("0123456789abcdeg");
  assertEquals(other.isProof(proof, challenge, nonce), false);
});

/** What the two sides say, the server with this secret. */
function handshakeWith(server: ClusterSecret): string {
  const handshake = new PeerHandshake(secret);
  const challenge = server.newNonce();
  const step = handshake.next(challenge);
  if (step.kind !== "send") return step.kind;
  const [, , nonce = "", proof = ""] = step.request;
  if (!server.isProof(proof, challenge, nonce)) {
    return handshake.next(new ErrorReply("WRONGPASS no")).kind;
  }
  return handshake.next(server.answer(challenge, nonce)).kind;
}

Deno.test("both sides prove that they know the secret, which is never sent", () => {
  assertEquals(handshakeWith(secret), "done");
  assertEquals(handshakeWith(new ClusterSecret("another secret of a cluster")), "failed");
});

Deno.test("a server that only pretends is found out", () => {
  const handshake = new PeerHandshake(secret);
  handshake.next("ab".repeat(32));
  assertEquals(handshake.next("cd".repeat(32)), {
    kind: "failed",
    reason: "does not know the cluster's secret",
  });
  assertEquals(new PeerHandshake(secret).next(OK).kind, "failed");
});

Deno.test("a server without a secret, or an older one, is asked without a proof", () => {
  const without = new ErrorReply("ERR This process has no cluster secret");
  assertEquals(new PeerHandshake(secret).next(without), { kind: "done" });
});
