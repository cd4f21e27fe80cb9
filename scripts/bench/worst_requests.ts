import { COMMANDS, hasRightArity } from "../../src/commands/table.ts";
/**
 * The data while pauses are measured: `keys` keys, named `key:0`, `key:1`, …, and a large value.
 */
interface StoredKeys {
  readonly keys: number;
  readonly largeBytes: number;
}

/** The most expensive request of a command, and the data that it needs. */
export interface WorstRequest {
  readonly title: string;
  readonly before?: readonly (readonly string[])[];
  /** Requests that are sent at once. */
  readonly requests: readonly (readonly string[])[];
}

/** The default limit on the number of arguments of one request. */
const MANY = 128 * 1024;
const PIPELINED = 10_000;
/** The id of a content that nobody holds. */
const BLOB = "0".repeat(32);
/** The key of the large value. */
const LARGE = "large";

type Worst = (stored: StoredKeys) => readonly WorstRequest[];

/** Many pipelined requests, each of which takes time only in proportion to its own length. */
function many(...request: string[]): Worst {
  return () => [{
    title: `${PIPELINED} × ${request.join(" ").slice(0, 40)}`,
    requests: Array.from({ length: PIPELINED }, () => request),
  }];
}

/** Many keys, evenly distributed over all stored keys. */
function spread({ keys }: StoredKeys, count: number): string[] {
  const step = Math.max(1, Math.floor(keys / count));
  return Array.from({ length: count }, (_, at) => `key:${(at * step) % keys}`);
}

function large({ largeBytes }: StoredKeys): readonly string[] {
  // Bytes above 127 take a slower path than ASCII.
  return ["SET", LARGE, "\xe9b\0\xff".repeat(largeBytes / 4)];
}

/** One request with many keys. */
function onManyKeys(name: string): Worst {
  return (stored) => [{
    title: `${name} of ${MANY - 1} keys`,
    requests: [[name, ...spread(stored, MANY - 1)]],
  }];
}

/** One request on a large value. */
function onLarge(title: string, ...request: string[]): Worst {
  return (stored) => [{ title, before: [large(stored)], requests: [request] }];
}

function all(...worsts: Worst[]): Worst {
  return (stored) => worsts.flatMap((worst) => worst(stored));
}

/** Repetitions of a request that has a large reply, or scans all keys. */
const REPETITIONS = 100;

function repeated(...request: string[]): Worst {
  return () => [{
    title: `${REPETITIONS} × ${request.join(" ")}`,
    requests: Array.from({ length: REPETITIONS }, () => request),
  }];
}

/** `COMMAND GETKEYS` with as many keys as are allowed. */
function ofManyKeys(subcommand: string): Worst {
  const request = ["MGET", ...Array.from({ length: MANY - 3 }, () => "k")];
  return () => [{
    title: `COMMAND ${subcommand} of many keys`,
    requests: [["COMMAND", subcommand, ...request]],
  }];
}

/** One request with as many arguments as are allowed. */
function ofManyWords(word: string, ...request: string[]): Worst {
  return () => [{
    title: `${request.join(" ")} of many words`,
    requests: [[...request, ...Array.from({ length: MANY - request.length }, () => word)]],
  }];
}

/** A pattern of the maximum length of an argument. */
function ofLargePattern(...request: string[]): Worst {
  return ({ largeBytes }) => [{
    title: `${request.join(" ")} of a large pattern`,
    requests: [[...request, "*a".repeat(largeBytes / 2)]],
  }];
}

/** Repetitions of a subcommand without arguments. */
const BARE_SUBCOMMANDS: Readonly<Record<string, Worst>> = Object.fromEntries(
  COMMANDS.flatMap(({ subcommands = [] }) => subcommands)
    .filter((row) => hasRightArity(row, 2) && !row.name.endsWith("|help"))
    .map(({ name }) => [name, many(...name.toUpperCase().split("|"))]),
);

/**
 * The worst requests of the subcommands, by their full names. A subcommand that would end or change
 * the measured process gets a request that it refuses: FAULT without `--allow-faults`, ids of
 * nonexistent members.
 */
const WORST_SUBCOMMANDS: Readonly<Record<string, Worst>> = {
  ...BARE_SUBCOMMANDS,
  "client|kill": many("CLIENT", "KILL", "ID", "999999999"),
  "client|list": all(many("CLIENT", "LIST"), ofManyWords("99999999", "CLIENT", "LIST", "ID")),
  "client|no-evict": many("CLIENT", "NO-EVICT", "ON"),
  "client|no-touch": many("CLIENT", "NO-TOUCH", "ON"),
  "client|pause": many("CLIENT", "PAUSE", "0"),
  "client|reply": many("CLIENT", "REPLY", "ON"),
  "client|setinfo": many("CLIENT", "SETINFO", "LIB-NAME", "x"),
  "client|setname": many("CLIENT", "SETNAME", "x"),
  "cluster|countkeysinslot": repeated("CLUSTER", "COUNTKEYSINSLOT", "0"),
  "cluster|fence": many("CLUSTER", "FENCE", "1"),
  "cluster|forget": many("CLUSTER", "FORGET", "nobody"),
  "cluster|getkeysinslot": repeated("CLUSTER", "GETKEYSINSLOT", "0", "1000000000"),
  "cluster|join": many("CLUSTER", "JOIN", "nobody", "nowhere", "none"),
  "cluster|keyslot": ({ largeBytes }) => [{
    title: "CLUSTER KEYSLOT of a large key",
    requests: [["CLUSTER", "KEYSLOT", "k".repeat(largeBytes)]],
  }],
  "cluster|challenge": many("CLUSTER", "CHALLENGE"),
  "cluster|prove": many("CLUSTER", "PROVE", "a", "b"),
  "cluster|users": repeated("CLUSTER", "USERS"),
  "cluster|transfer": many("CLUSTER", "TRANSFER", "nobody"),
  "cluster|watch": many("CLUSTER", "WATCH", "1000"),
  "command|docs": all(repeated("COMMAND", "DOCS"), ofManyWords("client", "COMMAND", "DOCS")),
  "command|getkeys": ofManyKeys("GETKEYS"),
  "command|getkeysandflags": ofManyKeys("GETKEYSANDFLAGS"),
  "command|info": all(repeated("COMMAND", "INFO"), ofManyWords("client", "COMMAND", "INFO")),
  "command|list": all(
    repeated("COMMAND", "LIST"),
    ofLargePattern("COMMAND", "LIST", "FILTERBY", "PATTERN"),
  ),
  "config|get": all(
    many("CONFIG", "GET", "*"),
    ofLargePattern("CONFIG", "GET"),
    ofManyWords("*z*q*", "CONFIG", "GET"),
  ),
  "config|set": many("CONFIG", "SET", "maxmemory", "0"),
  "fault|delay": many("FAULT", "DELAY", "1"),
  "fault|drop": many("FAULT", "DROP", "1"),
  "fault|slow-disk": many("FAULT", "SLOW-DISK", "1"),
  "file|blobs": ofManyWords(BLOB, "FILE", "BLOBS"),
  "file|commit": many("FILE", "COMMIT", "n", BLOB, "1", BLOB + BLOB, "1", "nobody", "0"),
  "file|delete": many("FILE", "DELETE", "none"),
  "file|drain": many("FILE", "DRAIN", "nobody"),
  "file|forget": many("FILE", "FORGET", "nobody"),
  "file|held": ofManyWords(BLOB, "FILE", "HELD", "nobody"),
  "file|list": many("FILE", "LIST", "CONTAINS", "x", "BY", "SIZE", "REV"),
  "file|lost": ofManyWords(BLOB, "FILE", "LOST", "nobody"),
  "file|node": many("FILE", "NODE", "nobody", "nowhere", "1", "1", "1"),
  "file|out": many("FILE", "OUT", "nobody"),
  "file|release": ofManyWords(BLOB, "FILE", "RELEASE", "nobody"),
  "file|repair": many("FILE", "REPAIR", "STATUS"),
  "file|stat": many("FILE", "STAT", "none"),
  "file|where": many("FILE", "WHERE", "none"),
  "file|work": many("FILE", "WORK", "nobody"),
  "memory|usage": many("MEMORY", "USAGE", "key:1"),
  "object|encoding": many("OBJECT", "ENCODING", "key:1"),
  "object|freq": many("OBJECT", "FREQ", "key:1"),
  "object|idletime": many("OBJECT", "IDLETIME", "key:1"),
  "object|refcount": many("OBJECT", "REFCOUNT", "key:1"),
  "session|close": many("SESSION", "CLOSE", "none"),
  "session|open": many("SESSION", "OPEN", "1000"),
  "snapshot|begin": () => [{ title: "SNAPSHOT BEGIN", requests: [["SNAPSHOT", "BEGIN"]] }],
  "snapshot|end": many("SNAPSHOT", "END", "none"),
  "snapshot|read": many("SNAPSHOT", "READ", "none", "0", "1048576"),
};

const PAIRS = (MANY - 2) / 2;

/**
 * For each row of the command table, the requests that may keep a node or a proxy busy for longest.
 * A new command or subcommand must be added: a test compares the names.
 */
export const WORST_REQUESTS: Readonly<Record<string, Worst>> = {
  "acl|cat": repeated("ACL", "CAT", "slow"),
  "acl|deluser": () => [{
    title: "ACL DELUSER of many names",
    requests: [["ACL", "DELUSER", ...Array.from({ length: MANY - 2 }, (_, at) => `u${at}`)]],
  }],
  "acl|dryrun": (stored) => [{
    title: "ACL DRYRUN of many keys",
    before: [["ACL", "SETUSER", "u", "+mget", "%R~*a*b*c", "%R~k*y*:*", "nocommands"]],
    requests: [["ACL", "DRYRUN", "u", "MGET", ...spread(stored, MANY - 4)]],
  }],
  "acl|genpass": many("ACL", "GENPASS", "4096"),
  "acl|getuser": many("ACL", "GETUSER", "default"),
  "acl|list": repeated("ACL", "LIST"),
  "acl|load": many("ACL", "LOAD"),
  "acl|log": many("ACL", "LOG", "1000"),
  "acl|save": many("ACL", "SAVE"),
  "acl|setuser": (_stored) => [{
    title: "ACL SETUSER with many rules",
    requests: [["ACL", "SETUSER", "u", ...Array.from({ length: 1_000 }, (_, at) => `~${at}*a*`)]],
  }],
  "acl|users": repeated("ACL", "USERS"),
  "acl|whoami": many("ACL", "WHOAMI"),
  ...WORST_SUBCOMMANDS,
  append: all(
    many("APPEND", "appended", "x".repeat(64)),
    onLarge("APPEND to a large value", "APPEND", LARGE, "x"),
  ),
  auth: many("AUTH", "default", "x"),
  bgsave: () => [{ title: "BGSAVE", requests: [["BGSAVE"]] }],
  command: () => [
    { title: "100 × COMMAND", requests: Array.from({ length: 100 }, () => ["COMMAND"]) },
  ],
  copy: onLarge("COPY of a large value", "COPY", LARGE, "copied", "REPLACE"),
  dbsize: (stored) => [{
    title: "DBSIZE while keys expire",
    before: expiring(stored, 100_000),
    requests: Array.from({ length: 100 }, () => ["DBSIZE"]),
  }],
  decr: many("DECR", "counter"),
  decrby: many("DECRBY", "counter", "7"),
  del: all(
    onManyKeys("DEL"),
    onLarge("DEL of a large value", "DEL", LARGE),
    refilling,
    (stored) => [{
      title: "10,000 × DEL",
      requests: spread(stored, PIPELINED).map((key) => ["DEL", key]),
    }],
    refilling,
  ),
  echo: all(many("ECHO", "x"), (stored) => [{
    title: "ECHO of a large value",
    requests: [["ECHO", "\xff".repeat(stored.largeBytes)]],
  }]),
  exists: onManyKeys("EXISTS"),
  expire: (stored) => [{
    title: "10,000 × EXPIRE, and then the keys expire",
    requests: spread(stored, PIPELINED).map((key) => ["EXPIRE", key, "1"]),
  }],
  expireat: many("EXPIREAT", "key:1", "9999999999"),
  expiretime: many("EXPIRETIME", "key:1"),
  flushall: all(() => [{ title: "FLUSHALL", requests: [["FLUSHALL"]] }], refilling),
  flushdb: all(() => [{ title: "FLUSHDB ASYNC", requests: [["FLUSHDB", "ASYNC"]] }], refilling),
  get: all(many("GET", "key:1"), onLarge("GET of a large value", "GET", LARGE)),
  getdel: onLarge("GETDEL of a large value", "GETDEL", LARGE),
  getex: onLarge("GETEX of a large value", "GETEX", LARGE, "PERSIST"),
  getrange: onLarge("GETRANGE of a large value", "GETRANGE", LARGE, "1", "-2"),
  getset: onLarge("GETSET of a large value", "GETSET", LARGE, "x"),
  hello: many("HELLO", "2"),
  incr: many("INCR", "counter"),
  incrby: many("INCRBY", "counter", "7"),
  incrbyfloat: many("INCRBYFLOAT", "float", "0.1"),
  info: () => [{ title: "100 × INFO", requests: Array.from({ length: 100 }, () => ["INFO"]) }],
  keys: () => [
    { title: "KEYS *", requests: [["KEYS", "*"]] },
    { title: "KEYS nomatch*", requests: [["KEYS", "nomatch*"]] },
    { title: "KEYS *1*2*3*z", requests: [["KEYS", "*1*2*3*z"]] },
    {
      title: "20 × KEYS nomatch*",
      requests: Array.from({ length: 20 }, () => ["KEYS", "nomatch*"]),
    },
    {
      title: "KEYS with a pattern made to take long, on a long key",
      before: [["SET", "a".repeat(100_000), "v"]],
      requests: [["KEYS", "*a".repeat(1_000) + "b"]],
    },
    {
      title: "KEYS with a pattern that is costly for each of 1,000 keys",
      before: Array.from({ length: 1_000 }, (_, at) => ["SET", `${at}:${"a".repeat(2_000)}`, "v"]),
      requests: [["KEYS", `*${"a".repeat(10)}b`]],
    },
  ],
  lastsave: many("LASTSAVE"),
  mget: all(onManyKeys("MGET"), (stored) => [{
    title: "MGET of a large value, 4 times",
    before: [large(stored)],
    requests: [["MGET", LARGE, LARGE, LARGE, LARGE]],
  }]),
  mset: (stored) => [{
    title: `MSET of ${PAIRS} keys`,
    requests: [["MSET", ...spread(stored, PAIRS).flatMap((key) => [key, "y".repeat(64)])]],
  }],
  msetnx: () => [{
    title: `MSETNX of ${PAIRS} keys`,
    requests: [["MSETNX", ...Array.from({ length: 2 * PAIRS }, (_, at) => `nx:${at}`)]],
  }],
  once: (stored) => [{
    title: `ONCE with a DEL of ${MANY - 4} keys`,
    requests: [["ONCE", "none", "1", "DEL", ...spread(stored, MANY - 4)]],
  }],
  persist: many("PERSIST", "key:1"),
  pexpire: (stored) => [{
    title: "a storm of 100,000 keys that expire at once",
    requests: expiring(stored, 100_000),
  }, {
    title: "and then all of them are due",
    requests: Array.from({ length: PIPELINED }, () => ["GET", "key:1"]),
  }],
  pexpireat: many("PEXPIREAT", "key:1", "9999999999999"),
  pexpiretime: many("PEXPIRETIME", "key:1"),
  ping: all(many("PING"), () => [{
    title: "1,200 inline lines of 50 KB",
    requests: Array.from({ length: 1_200 }, () => [`PING ${"x".repeat(50_000)}`]),
  }]),
  psetex: many("PSETEX", "passing", "100000", "x"),
  pttl: many("PTTL", "key:1"),
  quit: () => [{ title: "QUIT", requests: [] }],
  randomkey: (stored) => [{
    title: "RANDOMKEY while keys expire",
    before: expiring(stored, 100_000),
    requests: Array.from({ length: 1_000 }, () => ["RANDOMKEY"]),
  }],
  readonly: many("READONLY"),
  readwrite: many("READWRITE"),
  rename: onLarge("RENAME of a large value", "RENAME", LARGE, "renamed"),
  renamenx: onLarge("RENAMENX of a large value", "RENAMENX", LARGE, "renamed:too"),
  reset: many("RESET"),
  role: many("ROLE"),
  scan: () => [
    { title: "SCAN 0 COUNT 1000000000", requests: [["SCAN", "0", "COUNT", "1000000000"]] },
    {
      title: "100 × SCAN 0 MATCH nomatch* COUNT 1000000000 TYPE string",
      requests: Array.from(
        { length: 100 },
        () => ["SCAN", "0", "MATCH", "nomatch*", "COUNT", "1000000000", "TYPE", "string"],
      ),
    },
  ],
  select: many("SELECT", "0"),
  set: all(many("SET", "key:1", "x".repeat(64)), (stored) => [{
    title: "SET of a large value",
    requests: [large(stored)],
  }, {
    title: "10,000 × SET of 1 KiB",
    requests: spread(stored, PIPELINED).map((key) => ["SET", key, "z".repeat(1024)]),
  }]),
  setex: many("SETEX", "passing", "100", "x"),
  setnx: many("SETNX", "key:1", "x"),
  setrange: all(
    onLarge("SETRANGE in a large value", "SETRANGE", LARGE, "1000", "y"),
    () => [{
      title: "SETRANGE far beyond the end",
      requests: [["SETRANGE", "far", String(32 * 1024 * 1024), "y"]],
    }],
  ),
  strlen: many("STRLEN", "key:1"),
  substr: onLarge("SUBSTR of a large value", "SUBSTR", LARGE, "1", "-2"),
  time: many("TIME"),
  touch: onManyKeys("TOUCH"),
  ttl: many("TTL", "key:1"),
  type: many("TYPE", "key:1"),
  unlink: all(onManyKeys("UNLINK"), refilling),
  wait: many("WAIT", "0", "1"),
};

/** Requests that give keys the same deadline, 1.5 s later. */
function expiring({ keys }: StoredKeys, count: number): readonly (readonly string[])[] {
  const step = Math.max(1, Math.floor(keys / count));
  return Array.from({ length: count }, (_, at) => ["PEXPIRE", `key:${at * step}`, "1500"]);
}

/** Asks the benchmark to fill the node again, after keys were removed. */
function refilling(): readonly WorstRequest[] {
  return [{ title: REFILL, requests: [] }];
}

/** The title of an item that only asks for a refill. */
export const REFILL = "the keys are put back";
