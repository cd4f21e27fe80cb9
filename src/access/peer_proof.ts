import { createHmac, randomBytes } from "node:crypto";
import { ErrorReply, type Reply } from "../resp/reply.ts";
import { isSameHex } from "./scrypt.ts";

/** Shortest secret in bytes. */
export const SECRET_BYTES_MIN = 16;
const NONCE_BYTES = 32;
const NONCE = /^[0-9a-f]{64}$/;

/**
 * The shared secret of a cluster, by which its processes know each other. One that connects asks
 * for a challenge (`CLUSTER CHALLENGE`), and answers it by an HMAC (`CLUSTER PROVE`). The reply
 * proves that the other side knows the secret too. The secret itself is never sent.
 */
export class ClusterSecret {
  readonly #secret: string;

  /** @param secret a byte string, of at least `SECRET_BYTES_MIN` */
  constructor(secret: string) {
    this.#secret = secret;
  }

  /** A challenge, or a nonce of the one who answers it. */
  newNonce(): string {
    return randomBytes(NONCE_BYTES).toString("hex");
  }

  /** The proof for the one who challenges. */
  proof(challenge: string, nonce: string): string {
    return this.#hmac("client", challenge, nonce);
  }

  /** The proof in return. */
  answer(challenge: string, nonce: string): string {
    return this.#hmac("server", challenge, nonce);
  }

  isProof(proof: string, challenge: string, nonce: string): boolean {
    return NONCE.test(nonce) && isSameHex(proof, this.proof(challenge, nonce));
  }

  #hmac(side: "client" | "server", challenge: string, nonce: string): string {
    const hmac = createHmac("sha256", this.#secret);
    return hmac.update(`regent peer 1\0${side}\0${challenge}\0${nonce}`).digest("hex");
  }
}

/** What to do next on a connection on which this process proves itself. */
export type HandshakeStep =
  | { readonly kind: "send"; readonly request: readonly string[] }
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly reason: string };

/**
 * This process proves itself on a connection to another one, before it sends anything else. If the
 * other side has no secret, or is too old to know of it, it goes on without.
 */
export class PeerHandshake {
  readonly #secret: ClusterSecret;
  readonly #nonce: string;
  #challenge: string | null = null;

  constructor(secret: ClusterSecret) {
    this.#secret = secret;
    this.#nonce = secret.newNonce();
  }

  /** What is sent first. */
  readonly first: readonly string[] = ["CLUSTER", "CHALLENGE"];

  next(reply: Reply): HandshakeStep {
    const error = reply instanceof ErrorReply ? reply.text : null;
    const text = typeof reply === "string" && NONCE.test(reply) ? reply : null;
    if (this.#challenge === null) {
      if (error !== null && error.startsWith("ERR ")) return { kind: "done" };
      if (text === null) return failed(error);
      this.#challenge = text;
      const proof = this.#secret.proof(text, this.#nonce);
      return { kind: "send", request: ["CLUSTER", "PROVE", this.#nonce, proof] };
    }
    const isGenuine = text !== null &&
      isSameHex(text, this.#secret.answer(this.#challenge, this.#nonce));
    return isGenuine ? { kind: "done" } : failed(error);
  }
}

function failed(error: string | null): HandshakeStep {
  return { kind: "failed", reason: error ?? "does not know the cluster's secret" };
}
