import { assert, assertEquals } from "@std/assert";
import { categoriesOf } from "../../src/commands/categories.ts";
import type { Command } from "../../src/commands/command.ts";
import { COMMANDS, hasRightArity } from "../../src/commands/table.ts";
import { withAccessNode, withAccessProxy } from "../support/access_node.ts";
import { RawRespClient } from "../support/raw_resp_client.ts";
import { hasRedisServer, startRedisServer } from "../support/redis_server.ts";

const hasRedis = await hasRedisServer();
const SECRET = "a secret of the cluster";

/** Every row that a request can have. */
const ROWS: readonly Command[] = COMMANDS.flatMap((row) =>
  row.subcommands === undefined
    ? [row]
    : [...hasRightArity(row, 1) ? [row] : [], ...row.subcommands]
);

/** The container of a subcommand. */
const CONTAINERS: ReadonlyMap<string, Command> = new Map(
  COMMANDS.flatMap((row) => (row.subcommands ?? []).map(({ name }) => [name, row])),
);

const MINE = "mine:1";
const OTHER = "other:1";

/**
 * Arguments for rows that would otherwise end or mute the connection, wait, or be invalid before
 * anybody looks at rights.
 */
const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  "client|reply": ["nope"],
  once: ["1-1", "1", "SET", MINE, "v"],
  wait: ["x", "x"],
  "file|list": ["PREFIX", MINE],
};

/** Rows that change the connection, and that everybody may use. */
const OF_EVERYBODY = ["auth", "hello", "quit", "reset", "cluster|challenge", "cluster|prove"];

/** The shortest request of a row, all of whose keys and files are the user's. */
function requestOf(row: Command): readonly string[] {
  const words = row.name.split("|");
  const given = ARGUMENTS[row.name];
  if (given !== undefined) return [...words, ...given];
  const count = Math.abs(row.arity) - words.length;
  return [...words, ...Array.from({ length: count }, () => MINE)];
}

/** The same requests with a foreign name in the place of one of the user's. */
function foreignRequests(row: Command): readonly (readonly string[])[] {
  const request = requestOf(row);
  if (row.name === "once") return [request.map((word) => word === MINE ? OTHER : word)];
  if (row.filesOf !== undefined) return [request.map((word) => word === MINE ? OTHER : word)];
  if (row.keys === null) return [];
  const { first, last, step } = row.keys;
  const end = last < 0 ? request.length + last : Math.min(last, request.length - 1);
  const found: (readonly string[])[] = [];
  for (let at = first; at <= end; at += step) found.push(request.with(at, OTHER));
  return found;
}

type Verdict = "allowed" | "command" | "name";

/** What a reply of Regent says about rights. */
function verdictOf(reply: string): Verdict {
  if (!reply.startsWith("-NOPERM ")) return "allowed";
  return / permissions to run the /.test(reply) ? "command" : "name";
}

/** What `ACL DRYRUN` of Redis says; `null` if it does not have the command. */
function redisVerdictOf(reply: string): Verdict | null {
  if (reply.startsWith("-")) return null;
  if (reply.startsWith("+OK")) return "allowed";
  return / permissions to run the /.test(reply) ? "command" : "name";
}

/** The places at which users ask: they get the same answers. */
type Place = "node" | "proxy";

/** Sends each request as a user, at a node and through a proxy. */
type AskAs = (
  user: string,
  requests: readonly (readonly string[])[],
) => Promise<Readonly<Record<Place, readonly string[]>>>;

interface World {
  /** Changes a user of Regent, and the same one of Redis, which knows no files. */
  readonly setUser: (name: string, ...rules: readonly string[]) => Promise<void>;
  readonly askAs: AskAs;
  /** The verdicts of Redis on requests of a user; `null`s without Redis. */
  readonly redisVerdicts: (
    name: string,
    requests: readonly (readonly string[])[],
  ) => Promise<readonly (Verdict | null)[]>;
}

async function withWorld(test: (world: World) => Promise<void>): Promise<void> {
  const server = hasRedis ? await startRedisServer() : null;
  const redis = server === null ? null : await RawRespClient.connect(server.port);
  try {
    await withAccessNode(async (node) => {
      await withAccessProxy([node.port], async (proxy) => {
        const askAs: AskAs = async (user, requests) => {
          const [atNode, atProxy] = await Promise.all(
            [node.port, proxy.port].map((port) => repliesAs(port, user, requests)),
          );
          return { node: atNode ?? [], proxy: atProxy ?? [] };
        };
        const admin = await RawRespClient.connect(proxy.port);
        try {
          await test({
            askAs,
            async setUser(name, ...rules) {
              const [reply] = await admin.send(["ACL", "SETUSER", name, "reset", ...rules]);
              assertEquals(reply, "+OK\r\n");
              const known = rules.filter((rule) => !/^%F|file/.test(rule));
              await redis?.send(["ACL", "SETUSER", name, "reset", ...known]);
            },
            async redisVerdicts(name, requests) {
              if (redis === null) return requests.map(() => null);
              const dryRuns = requests.map((request) => ["ACL", "DRYRUN", name, ...request]);
              return (await redis.send(...dryRuns)).map(redisVerdictOf);
            },
          });
        } finally {
          admin.close();
        }
      }, { secret: SECRET });
    }, SECRET);
  } finally {
    redis?.close();
    await server?.stop();
  }
}

async function repliesAs(
  port: number,
  user: string,
  requests: readonly (readonly string[])[],
): Promise<readonly string[]> {
  const client = await RawRespClient.connect(port);
  try {
    const [login, ...replies] = await client.send(["AUTH", user, "x"], ...requests);
    assertEquals(login, "+OK\r\n", `${user} at ${port}`);
    return replies;
  } finally {
    client.close();
  }
}

/** The verdict that Regent's own table asks for: a category brings a container's subcommands. */
function isIn(row: Command, category: string): boolean {
  const inner = row.name === "once" ? COMMANDS.find(({ name }) => name === "set") : undefined;
  if (inner !== undefined && !isIn(inner, category)) return false;
  const container = CONTAINERS.get(row.name);
  return [row, ...container === undefined ? [] : [container]]
    .some((one) => categoriesOf(one).includes(category));
}

const TESTED = ROWS.filter(({ name }) => !OF_EVERYBODY.includes(name));
const REQUESTS = TESTED.map(requestOf);

Deno.test("a user who may do nothing may do nothing, at a node and through a proxy", async () => {
  await withWorld(async ({ setUser, askAs, redisVerdicts }) => {
    await setUser("nobody", "on", "nopass", "~*", "&*", "allfiles");
    const replies = await askAs("nobody", REQUESTS);
    const redis = await redisVerdicts("nobody", REQUESTS);
    for (const [at, { name }] of TESTED.entries()) {
      for (const place of ["node", "proxy"] as const) {
        assertEquals(verdictOf(replies[place][at] ?? ""), "command", `${name} at a ${place}`);
      }
      assertEquals(redis[at] ?? "command", "command", `${name} in Redis`);
    }
    assert(TESTED.length > 150, `${TESTED.length} rows`);
  });
});

Deno.test("a user of one category may use its commands and no others, as in Redis", async () => {
  await withWorld(async ({ setUser, askAs, redisVerdicts }) => {
    const categories = [...new Set(ROWS.flatMap(categoriesOf))];
    assert(categories.length > 8, categories.join());
    let compared = 0;
    for (const category of categories) {
      await setUser(category, "on", "nopass", "~*", "&*", "allfiles", `+@${category}`);
      const replies = await askAs(category, REQUESTS);
      const redis = category === "file" ? [] : await redisVerdicts(category, REQUESTS);
      for (const [at, row] of TESTED.entries()) {
        const expected: Verdict = isIn(row, category) ? "allowed" : "command";
        for (const place of ["node", "proxy"] as const) {
          const verdict = verdictOf(replies[place][at] ?? "");
          assertEquals(verdict, expected, `+@${category} ${row.name} at a ${place}`);
        }
        const inRedis = redis[at] ?? null;
        if (inRedis === null) continue;
        compared++;
        assertEquals(inRedis, expected, `+@${category} ${row.name} in Redis`);
      }
    }
    assert(!hasRedis || compared > 900, `${compared} verdicts of Redis`);
  });
});

Deno.test("a user of one pattern may use its names and no others, wherever they stand", async () => {
  await withWorld(async ({ setUser, askAs, redisVerdicts }) => {
    await setUser("mine", "on", "nopass", "~mine:*", "&*", "%F~mine:*", "+@all");
    const foreign = TESTED.flatMap((row) =>
      foreignRequests(row).map((request) => ({ row, request }))
    );
    const requests = foreign.map(({ request }) => request);
    const replies = await askAs("mine", requests);
    const redis = await redisVerdicts("mine", requests);
    for (const [at, { row, request }] of foreign.entries()) {
      const what = request.join(" ");
      for (const place of ["node", "proxy"] as const) {
        assertEquals(verdictOf(replies[place][at] ?? ""), "name", `${what} at a ${place}`);
      }
      if (row.filesOf === undefined) assertEquals(redis[at] ?? "name", "name", `${what} in Redis`);
    }
    assert(foreign.length > 50, `${foreign.length} requests`);
    const own = await askAs("mine", REQUESTS);
    const ownInRedis = await redisVerdicts("mine", REQUESTS);
    for (const [at, { name }] of TESTED.entries()) {
      for (const place of ["node", "proxy"] as const) {
        assertEquals(verdictOf(own[place][at] ?? ""), "allowed", `${name} at a ${place}`);
      }
      assertEquals(ownInRedis[at] ?? "allowed", "allowed", `${name} in Redis`);
    }
  });
});

Deno.test("reading and writing are different rights to a key, as in Redis", async () => {
  await withWorld(async ({ setUser, askAs, redisVerdicts }) => {
    const withKeys = TESTED.filter(({ keys }) => keys !== null);
    const requests = withKeys.map(requestOf);
    const counts = { allowed: 0, name: 0, command: 0 };
    for (const rule of ["%R~mine:*", "%W~mine:*"]) {
      await setUser("half", "on", "nopass", rule, "+@all");
      const replies = await askAs("half", requests);
      const redis = await redisVerdicts("half", requests);
      for (const [at, { name }] of withKeys.entries()) {
        const verdicts = [replies.node[at] ?? "", replies.proxy[at] ?? ""].map(verdictOf);
        assertEquals(verdicts[0], verdicts[1], `${rule} ${name}`);
        const verdict = verdicts[0] ?? "command";
        counts[verdict]++;
        assertEquals(redis[at] ?? verdict, verdict, `${rule} ${name} in Redis`);
      }
    }
    assert(counts.allowed > 20 && counts.name > 20 && counts.command === 0, JSON.stringify(counts));
  });
});
