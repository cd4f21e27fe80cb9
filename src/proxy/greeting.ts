import { type ClusterSecret, PeerHandshake } from "../access/peer_proof.ts";
import { encodeRequest } from "../resp/encode.ts";
import { decodeReply } from "../resp/reply_scanner.ts";

/** What follows a reply to a greeting. */
export type GreetingStep =
  | { readonly kind: "send"; readonly text: string }
  | { readonly kind: "wait" }
  | { readonly kind: "done" }
  | { readonly kind: "refused"; readonly reason: string };

/**
 * What a connection to a node begins with: the proof that this process belongs to the cluster, if
 * it has the secret, and then some requests, all of which the node has to accept.
 */
export class Greeting {
  /** What is sent first; "" if there is nothing to say. */
  readonly first: string;
  readonly #text: string;
  #handshake: PeerHandshake | null;
  #missing: number;

  constructor(secret: ClusterSecret | null, requests: readonly (readonly string[])[]) {
    this.#handshake = secret === null ? null : new PeerHandshake(secret);
    this.#text = requests.map(encodeRequest).join("");
    this.#missing = requests.length;
    this.first = this.#handshake === null ? this.#text : encodeRequest(this.#handshake.first);
  }

  /** Takes the next reply, as it came over the wire. */
  next(text: string): GreetingStep {
    if (this.#handshake !== null) return this.#prove(this.#handshake, text);
    if (text.startsWith("-")) return { kind: "refused", reason: text.slice(1).trimEnd() };
    return --this.#missing > 0 ? { kind: "wait" } : { kind: "done" };
  }

  #prove(handshake: PeerHandshake, text: string): GreetingStep {
    const step = handshake.next(decodeReply(text));
    if (step.kind === "failed") return { kind: "refused", reason: step.reason };
    if (step.kind === "send") return { kind: "send", text: encodeRequest(step.request) };
    this.#handshake = null;
    return this.#missing === 0 ? { kind: "done" } : { kind: "send", text: this.#text };
  }
}
