import type { Mutant } from "../mutant.ts";

const FRAMES = "src/node/peers/frame_decoder_test.ts";
const CODEC = "src/node/peers/message_codec_test.ts";
const TRANSPORT = "src/node/peers/peer_transport_test.ts";

/** What nodes say to each other. */
export const peerMutants: readonly Mutant[] = [
  {
    name: "frame-of-any-length",
    bug: "a huge length makes the receiver collect for ever",
    file: "src/node/peers/frame_decoder.ts",
    find: "if (length > Math.min(frameBytesMax, this.#frameBytesMax)) {",
    replace: "if (length > Math.max(frameBytesMax, this.#frameBytesMax) * 2 ** 32) {",
    killers: [FRAMES, TRANSPORT],
  },
  {
    name: "frame-ends-at-chunk",
    bug: "a frame that ends where a chunk ends waits for the next one",
    file: "src/node/peers/frame_decoder.ts",
    find: "if (available + this.#laterBytes < bytes) return false;",
    replace: "if (available + this.#laterBytes <= bytes) return false;",
    killers: [FRAMES, TRANSPORT],
  },
  {
    name: "other-cluster-let-in",
    bug: "a node of another cluster takes part",
    file: "src/node/peers/peer_transport.ts",
    find: "if (hello.cluster !== clusterId) {",
    replace: "if (hello.cluster.length < clusterId.length) {",
    killers: [TRANSPORT],
  },
  {
    name: "sender-from-the-frame",
    bug: "a message says by itself who sent it",
    file: "src/node/peers/message_codec.ts",
    find: "const header: Record<string, unknown> = { type, from, to };",
    replace: "const header: Record<string, unknown> = { type, from, to, ...parsed };",
    killers: [CODEC],
  },
  {
    name: "silent-peer-kept",
    bug: "a half-open connection to a peer is written to for ever",
    file: "src/node/peers/peer_link.ts",
    find: "nowMs - this.#unansweredSinceMs > SILENCE_MS_MAX",
    replace: "nowMs - this.#unansweredSinceMs > SILENCE_MS_MAX * 1e9",
    killers: [TRANSPORT],
  },
  {
    name: "peer-that-does-not-read",
    bug: "output grows without bound for a peer that does not read",
    file: "src/node/peers/peer_link.ts",
    find: "this.#stream.pendingBytes() > PENDING_BYTES_MAX",
    replace: "this.#stream.pendingBytes() > PENDING_BYTES_MAX * 1e9",
    killers: ["src/node/peers/peer_link_test.ts"],
  },
  {
    name: "foreign-write-replicated",
    bug: "an entry with what is no write reaches the state machine",
    file: "src/node/peers/message_codec.ts",
    find: `return !(command instanceof ErrorReply) && command.kind === "write";`,
    replace: "return !(command instanceof ErrorReply);",
    killers: [CODEC],
  },
  {
    name: "chunk-shares-the-receive-buffer",
    bug: "a snapshot's bytes change after they were handed on",
    file: "src/node/peers/message_codec.ts",
    find: "return { ...header, bytes: payload.slice() };",
    replace: "return { ...header, bytes: payload };",
    killers: [CODEC],
  },
];
