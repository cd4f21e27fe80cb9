import type { Mutant } from "../mutant.ts";

const REQUESTS = "src/resp/request_decoder_test.ts";
const REPLIES = "src/resp/reply_scanner_test.ts";
const LISTENER = "src/server/listener_test.ts";

/** RESP, and the connections with clients. */
export const wireMutants: readonly Mutant[] = [
  {
    name: "negative-length",
    bug: "a negative length is believed",
    file: "src/resp/request_decoder.ts",
    find: "if (!(length >= 0 && length <= this.#bulkBytesMax)) return",
    replace: "if (!(length <= this.#bulkBytesMax)) return",
    killers: [REQUESTS],
  },
  {
    name: "request-of-any-size",
    bug: "many arguments within the limit make a request beyond all limits",
    file: "src/resp/request_decoder.ts",
    find: "if (this.#requestBytes > this.#requestBytesMax) {",
    replace: "if (length > this.#requestBytesMax) {",
    killers: [REQUESTS],
  },
  {
    name: "request-bytes-add-up",
    bug: "the bytes of all requests of a connection count for each of them, until one is refused",
    file: "src/resp/request_decoder.ts",
    find: "this.#args = [];\n    this.#requestBytes = 0;",
    replace: "this.#args = [];",
    killers: [REQUESTS],
  },
  {
    name: "forwarded-at-any-size",
    bug: "a proxy hands on what is beyond the limit for a request",
    file: "src/resp/request_decoder.ts",
    find: "if (requestBytes > this.#requestBytesMax) return null;",
    replace: "if (requestBytes > this.#requestBytesMax * 1e9) return null;",
    killers: [REQUESTS],
  },
  {
    name: "http-request-answered",
    bug: "an HTTP request sent to the RESP port is executed line by line",
    file: "src/resp/request_decoder.ts",
    find: `if (name === "post" || name === "host:") {`,
    replace: `if (name === "post:" || name === "host") {`,
    killers: [REQUESTS, LISTENER],
  },
  {
    name: "bulk-split-before-its-last-byte",
    bug: "a bulk split between CR and LF is taken for broken",
    file: "src/resp/reply_scanner.ts",
    find: "const beforeLast = end >= 2 ? chunk[end - 2] : bytes[length - 1];",
    replace: "const beforeLast = end >= 1 ? chunk[end - 2] : bytes[length - 1];",
    killers: [REPLIES],
  },
  {
    name: "nesting-of-any-depth",
    bug: "deep nesting exhausts the memory",
    file: "src/resp/reply_scanner.ts",
    find: "if (this.#open.length >= this.#depthMax) return",
    replace: "if (this.#open.length >= this.#depthMax * 2 ** 40) return",
    killers: [REPLIES],
  },
  {
    name: "open-reply-passed-over",
    bug: "one missing reply shifts all that follow on the connection",
    file: "src/server/connection.ts",
    find: "while (reply !== null && reply.text !== null && room > 0) {",
    replace: `while (reply !== null && room > 0) {
      if (reply.text === null) {
        reply = reply.next;
        continue;
      }`,
    killers: [LISTENER],
  },
  {
    name: "pipeline-without-a-bound",
    bug: "requests are taken without a bound from a client that does not wait for answers",
    file: "src/server/connection.ts",
    find: "if (this.#outstanding >= window) return this.#pause();",
    replace: "if (this.#outstanding >= window * 1e9) return this.#pause();",
    killers: [LISTENER],
  },
  {
    name: "one-client-too-many",
    bug: "connections are accepted beyond the limit",
    file: "src/server/listener.ts",
    find: "this.connections.size >= this.limits.clientsMax",
    replace: "this.connections.size > this.limits.clientsMax",
    killers: [LISTENER],
  },
  {
    name: "fence-without-a-term",
    bug: "what was meant for an earlier time of a leader is executed in a later one",
    file: "src/node/node.ts",
    find: `return this.#raft.role === "leader" && this.#raft.term === term;`,
    replace: `return this.#raft.role === "leader" && this.#raft.term >= term;`,
    killers: ["src/node/node_test.ts"],
  },
];
