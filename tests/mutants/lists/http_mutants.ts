import type { Mutant } from "../mutant.ts";

const API = "src/http/http_api_test.ts";
const BODIES = "src/http/bodies_test.ts";
const LISTENER = "src/platform/http_listener_test.ts";

/** What is served over HTTP. */
export const httpMutants: readonly Mutant[] = [
  {
    name: "http-create-replaces",
    bug: "If-None-Match: * replaces a value that exists",
    file: "src/http/keys.ts",
    find: 'return ["NX"];',
    replace: "return [];",
    killers: [API],
  },
  {
    name: "http-prefix-is-a-pattern",
    bug: "a star in a prefix matches anything",
    file: "src/http/keys.ts",
    find: "`${escapedGlob(prefix)}*`",
    replace: "`${prefix || escapedGlob(prefix)}*`",
    killers: [API],
  },
  {
    name: "http-list-ends-early",
    bug: "a page without matches counts as the last one",
    file: "src/http/keys.ts",
    find: 'if (cursor === "0") return',
    replace: 'if (cursor === "0" || keys.length === 0) return',
    killers: [API],
  },
  {
    name: "http-form-posts-keys",
    bug: "a form on any web site sets keys, since its type needs no permission of the browser's",
    file: "src/http/keys.ts",
    find: "if (!/^application\\/json\\s*(;|$)/i.test(type)) {",
    replace: 'if (type === "") {',
    killers: [API],
  },
  {
    name: "http-path-decoded-twice",
    bug: "a key with a percent sign cannot be reached",
    file: "src/http/key_path.ts",
    find: "const bytes = new TextEncoder().encode(path);",
    replace: "const bytes = new TextEncoder().encode(unescape(path));",
    killers: [API],
  },
  {
    name: "http-rebinding",
    bug: "a site whose name leads to loopback reads and writes keys through a browser",
    file: "src/http/sender.ts",
    find: "if (isLoopback && !LOOPBACK_HOST.test(host)) {",
    replace: 'if (isLoopback && host === "" && !LOOPBACK_HOST.test(host)) {',
    killers: [API],
  },
  {
    name: "http-foreign-origin",
    bug: "a page of another site may send requests",
    file: "src/http/sender.ts",
    find: "origin !== null && hostOf(origin) !== host.toLowerCase()",
    replace: 'origin === "null" && hostOf(origin) !== host',
    killers: [API],
  },
  {
    name: "http-unknown-is-unavailable",
    bug: "a write of unknown outcome is told as not executed",
    file: "src/http/problem.ts",
    find: '["UNKNOWN", "outcome-unknown"]',
    replace: '["UNKNOWN", "unavailable"]',
    killers: [API],
  },
  {
    name: "http-body-held-forever",
    bug: "failed uploads use up the room for bodies, until all are refused",
    file: "src/http/bodies.ts",
    find: "this.#heldBytes -= bytes;",
    replace: "if (bytes === 0) this.#heldBytes -= bytes;",
    killers: [BODIES],
  },
  {
    name: "http-response-held-forever",
    bug: "clients that leave in the middle of a response use up the room for bodies",
    file: "src/http/bodies.ts",
    find: "cancel: release,",
    replace: "cancel: () => {},",
    killers: [BODIES],
  },
  {
    name: "http-connections-without-limit",
    bug: "clients of HTTP take all file descriptors",
    file: "src/platform/http_listener.ts",
    find: "server.maxConnections = connectionsMax;",
    replace: "server.maxConnections = connectionsMax * 1_000;",
    killers: [LISTENER],
  },
  {
    name: "http-slow-header",
    bug: "a client that never completes its header holds a connection forever",
    file: "src/platform/http_listener.ts",
    find: "headersTimeout: timeouts.headerMs,",
    replace: "headersTimeout: 0,",
    killers: [LISTENER],
  },
];
