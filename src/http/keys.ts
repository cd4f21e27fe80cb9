import { textOf } from "../base/byte_string.ts";
import { SCAN_KEYS_MAX } from "../commands/keyspace_rows.ts";
import type { Reply } from "../resp/reply.ts";
import { type Api, type ApiRequest, isPlainPath, problem } from "./api.ts";
import type { Bodies } from "./bodies.ts";
import { keyOfPath, pathOfKey } from "./key_path.ts";
import { Problem } from "./problem.ts";
import { checkConditions, checkQuery } from "./request_checks.ts";
import type { Store } from "./store_client.ts";

/**
 * Maximum number of pairs in one request, and of their bytes as JSON. Reading so much takes 20 ms, in
 * which nothing else runs.
 */
const PAIRS_MAX = 10_000;
const PAIRS_BYTES_MAX = 1024 * 1024;
/** Maximum number of keys in a page. */
const PAGE_MAX = 1_000;
const PAGE_DEFAULT = 100;
/** Maximum number of `SCAN`s for one page. A prefix that few keys have may take several pages. */
const SCANS_MAX = 10;

export interface KeysOptions {
  readonly store: Store;
  readonly bodies: Bodies;
  /** Maximum size in bytes of a value. */
  readonly bodyBytesMax: number;
}

/** Adds the operations on keys. */
export function addKeys(api: Api, { store, bodies, bodyBytesMax }: KeysOptions): void {
  api.add("get", "/keys/{key}", GET_KEY, async (request, path) => {
    const key = keyOfPath(path);
    const isTtlWanted = request.url.searchParams.get("ttl") === "true";
    let length = 0;
    let ttlMs: Reply = null;
    const body = await bodies.sendValue(async () => {
      // The time is read first: then the value cannot be an older one than the time.
      if (isTtlWanted) ttlMs = await store.request(["PTTL", key]);
      const value = await store.request(["GET", key]);
      if (value === null) throw noSuchKey();
      const text = textIn(value);
      length = text.length;
      return text;
    });
    const headers = {
      "content-type": "application/octet-stream",
      "content-length": `${length}`,
      ...(Number(ttlMs ?? -1) >= 0 ? { "regent-ttl-ms": `${ttlMs}` } : {}),
    };
    return new Response(body, { headers });
  });

  api.add("put", "/keys/{key}", PUT_KEY, (request, path) => {
    checkQuery(request, ["ttl-ms"]);
    checkConditions(request, ["if-match", "if-none-match"]);
    const set = ["SET", keyOfPath(path)];
    const options = [...expiryOf(request), ...conditionOf(request)];
    return bodies.read(request, bodyBytesMax, async (body) => {
      const reply = await store.request([...set, body, ...options]);
      if (reply === null) {
        const state = options.includes("NX") ? "exists" : "does not exist";
        throw new Problem("precondition-failed", `The condition does not hold: the key ${state}.`);
      }
      return new Response(null, { status: 204 });
    });
  });

  api.add("delete", "/keys/{key}", DELETE_KEY, async (request, path) => {
    checkQuery(request, []);
    checkConditions(request, []);
    if (await store.request(["DEL", keyOfPath(path)]) === 0) throw noSuchKey();
    return new Response(null, { status: 204 });
  });

  api.add("post", "/keys", POST_KEYS, (request) => {
    const type = request.headers.get("content-type") ?? "";
    if (!/^application\/json\s*(;|$)/i.test(type)) {
      throw new Problem("unsupported-media-type", "Send the pairs as application/json.");
    }
    return bodies.read(request, Math.min(bodyBytesMax, PAIRS_BYTES_MAX), async (body) => {
      await store.request(["MSET", ...pairsIn(body)]);
      return new Response(null, { status: 204 });
    });
  });

  api.add("get", "/keys", GET_KEYS, async (request) => {
    checkQuery(request, ["prefix", "limit", "cursor"]);
    const { prefix, limit, cursor } = pageOf(request.url.searchParams);
    const page = await scan(store, prefix, limit, cursor);
    const keys = page.keys.map((key) => {
      const href = pathOfKey(key);
      return { key: readable(key), href: isPlainPath(href) ? href : null };
    });
    return Response.json({ keys, cursor: page.cursor });
  });
}

/** A page of keys with this prefix. It may have none, although a later page has some. */
async function scan(
  store: Store,
  prefix: string,
  limit: number,
  from: string,
): Promise<{ readonly keys: readonly string[]; readonly cursor: string | null }> {
  const match = prefix === "" ? [] : ["MATCH", `${escapedGlob(prefix)}*`];
  const keys: string[] = [];
  let cursor = from;
  // With a prefix, most keys do not match: as many are looked at as one `SCAN` can.
  let count = prefix === "" ? limit : SCAN_KEYS_MAX;
  for (let scans = 0; scans < SCANS_MAX && keys.length < limit; scans++) {
    const reply = await store.request(["SCAN", cursor, ...match, "COUNT", String(count)]);
    const [next, found] = Array.isArray(reply) ? reply : [];
    if (!Array.isArray(found)) throw new Error("Cannot read the reply to SCAN: it has no keys");
    const left = limit - keys.length;
    if (found.length > left) {
      count = Math.max(left, Math.ceil(count / 10)); // from here again, of fewer keys
      continue;
    }
    keys.push(...found.map(textIn));
    cursor = textIn(next);
    if (cursor === "0") return { keys, cursor: null };
  }
  return { keys, cursor };
}

function textIn(reply: Reply | undefined): string {
  if (typeof reply === "string") return reply;
  if (reply instanceof Uint8Array) return textOf(reply);
  throw new Error(`Cannot read a reply of the cluster: it is no string: ${typeof reply}`);
}

function noSuchKey(): Problem {
  return new Problem("not-found", "There is no such key.");
}

/** `?ttl-ms=…` as options of `SET`. */
function expiryOf(request: ApiRequest): string[] {
  const ttl = request.url.searchParams.get("ttl-ms");
  if (ttl === null) return [];
  if (!/^[1-9]\d{0,14}$/.test(ttl)) {
    throw new Problem("bad-request", "ttl-ms must be a whole number of milliseconds above 0.");
  }
  return ["PX", ttl];
}

/** `If-None-Match: *` and `If-Match: *` as options of `SET`. Other conditions are refused. */
function conditionOf({ headers }: ApiRequest): string[] {
  const noneMatch = headers.get("if-none-match");
  const match = headers.get("if-match");
  for (const value of [noneMatch, match]) {
    if (value !== null && value.trim() !== "*") {
      throw new Problem(
        "bad-request",
        "Keys have no ETag: If-Match and If-None-Match only take *.",
      );
    }
  }
  if (noneMatch !== null && match !== null) {
    throw new Problem("bad-request", "If-Match: * and If-None-Match: * exclude each other.");
  }
  if (noneMatch !== null) return ["NX"];
  return match === null ? [] : ["XX"];
}

/** Half a character of UTF-16, which has no bytes in UTF-8. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Keys and values in turns, one character for each byte. @throws {Problem} */
function pairsIn(body: Uint8Array): string[] {
  let pairs: unknown;
  try {
    pairs = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw new Problem("bad-json", "The body is not JSON in UTF-8.");
  }
  if (typeof pairs !== "object" || pairs === null || Array.isArray(pairs)) {
    throw new Problem("bad-json", "The body must be one JSON object of keys and values.");
  }
  const entries = Object.entries(pairs);
  if (entries.length === 0) throw new Problem("bad-json", "The body has no pair.");
  if (entries.length > PAIRS_MAX) {
    throw new Problem(
      "too-large",
      `The body has more than ${PAIRS_MAX} pairs, which is the limit.`,
    );
  }
  return entries.flatMap(([key, value]) => {
    if (typeof value !== "string") {
      throw new Problem("bad-json", `The value of ${JSON.stringify(key)} must be a string.`);
    }
    if (LONE_SURROGATE.test(key) || LONE_SURROGATE.test(value)) {
      throw new Problem("bad-json", `The pair of ${JSON.stringify(key)} is not valid Unicode.`);
    }
    return [utf8Of(key), utf8Of(value)];
  });
}

function utf8Of(text: string): string {
  return textOf(new TextEncoder().encode(text));
}

/** A key for people. Bytes that are not UTF-8 become U+FFFD; the `href` is exact. */
function readable(key: string): string {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true }); // that is, keep it
  return decoder.decode(Uint8Array.from(key, (character) => character.charCodeAt(0)));
}

function escapedGlob(text: string): string {
  return text.replace(/[*?[\]\\]/g, "\\$&");
}

function pageOf(
  query: URLSearchParams,
): { readonly prefix: string; readonly limit: number; readonly cursor: string } {
  const limit = query.get("limit") ?? String(PAGE_DEFAULT);
  if (!/^[1-9]\d{0,5}$/.test(limit) || Number(limit) > PAGE_MAX) {
    throw new Problem("bad-request", `limit must be a whole number from 1 to ${PAGE_MAX}.`);
  }
  const cursor = query.get("cursor") ?? "0";
  if (!/^\d{1,16}$/.test(cursor)) {
    throw new Problem("bad-request", "cursor must be the one of the page before.");
  }
  return { prefix: utf8Of(query.get("prefix") ?? ""), limit: Number(limit), cursor };
}

// What OpenAPI says of these operations.

const BYTES = { "application/octet-stream": {} };

const COMMON = {
  "503": problem("No leader, or too much in progress. Nothing was executed."),
};
const OF_WRITES = {
  "408": problem("The body did not arrive in time."),
  "413": problem("The body is too large."),
  "504": problem("The write may or may not have been executed."),
  "507": problem("The cluster's memory limit is reached. Nothing was executed."),
  ...COMMON,
};
const KEY = {
  name: "key",
  in: "path",
  required: true,
  description: "Any bytes, percent-encoded. It may contain slashes, but no segment `.` or `..`.",
  schema: { type: "string" },
};

function header(name: string, description: string): object {
  return { name, in: "header", description, schema: { type: "string", const: "*" } };
}

function query(name: string, description: string, schema: object): object {
  return { name, in: "query", description, schema };
}

const GET_KEY = {
  operationId: "getKey",
  summary: "Get a value, as it was committed last",
  parameters: [
    KEY,
    query("ttl", "Whether to tell when the key expires, by the header Regent-Ttl-Ms.", {
      type: "boolean",
    }),
  ],
  responses: {
    "200": {
      description: "The value's bytes.",
      headers: {
        "Regent-Ttl-Ms": {
          description: "Milliseconds until the key expires, if `ttl=true` and it does.",
          schema: { type: "integer", minimum: 0 },
        },
      },
      content: BYTES,
    },
    "400": problem("The path is not correctly encoded."),
    "404": problem("There is no such key."),
    "409": problem("The value is no string."),
    ...COMMON,
  },
};

const PUT_KEY = {
  operationId: "putKey",
  summary: "Set a value",
  parameters: [
    KEY,
    query("ttl-ms", "Milliseconds after which the key expires.", { type: "integer", minimum: 1 }),
    header("If-None-Match", "Only if there is no such key."),
    header("If-Match", "Only if there is such a key."),
  ],
  requestBody: { required: true, content: BYTES },
  responses: {
    "204": { description: "The value is set, on the disks of a majority." },
    "400": problem("A parameter is invalid."),
    "412": problem("The condition does not hold."),
    ...OF_WRITES,
  },
};

const DELETE_KEY = {
  operationId: "deleteKey",
  summary: "Delete a key",
  parameters: [KEY],
  responses: {
    "204": { description: "The key is deleted, on the disks of a majority." },
    "400": problem("The path is not correctly encoded, or a parameter or condition is given."),
    "404": problem("There is no such key."),
    "504": OF_WRITES["504"],
    ...COMMON,
  },
};

const POST_KEYS = {
  operationId: "setKeys",
  summary: "Set several values, all of them or none",
  requestBody: {
    required: true,
    content: {
      "application/json": {
        schema: { type: "object", minProperties: 1, additionalProperties: { type: "string" } },
      },
    },
  },
  responses: {
    "204": { description: "All values are set, on the disks of a majority." },
    "400": problem("The body is not one JSON object of strings."),
    "415": problem("The body is of another type than JSON."),
    ...OF_WRITES,
  },
};

const GET_KEYS = {
  operationId: "listKeys",
  summary: "List keys, in no particular order",
  parameters: [
    query("prefix", "Only keys that begin with this.", { type: "string" }),
    query("limit", "Maximum number of keys.", {
      type: "integer",
      minimum: 1,
      maximum: PAGE_MAX,
      default: PAGE_DEFAULT,
    }),
    query("cursor", "The one of the page before.", { type: "string" }),
  ],
  responses: {
    "200": {
      description: "A page of keys. It may be short, or empty, although others follow.",
      content: { "application/json": { schema: { $ref: "#/components/schemas/KeyPage" } } },
    },
    "400": problem("A parameter is invalid."),
    ...COMMON,
  },
};
