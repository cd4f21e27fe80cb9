import { MANY, many, type Worst } from "./worst_request.ts";

/** So many of one request that answers with much, or looks at all keys. */
const SOME = 100;

function some(...request: string[]): Worst {
  return () => [{
    title: `${SOME} × ${request.join(" ")}`,
    requests: Array.from({ length: SOME }, () => request),
  }];
}

/** `COMMAND GETKEYS` of a request with as many keys as are allowed. */
function ofManyKeys(subcommand: string): Worst {
  const request = ["MGET", ...Array.from({ length: MANY - 3 }, () => "k")];
  return () => [{
    title: `COMMAND ${subcommand} of many keys`,
    requests: [["COMMAND", subcommand, ...request]],
  }];
}

/**
 * The worst requests of the subcommands, by their full names. Those that would end or change the
 * process that is measured ask for what it refuses: FAULT without `--allow-faults`, members that are
 * none.
 */
export const WORST_SUBCOMMANDS: Readonly<Record<string, Worst>> = {
  "client|getname": many("CLIENT", "GETNAME"),
  "client|getredir": many("CLIENT", "GETREDIR"),
  "client|id": many("CLIENT", "ID"),
  "client|info": many("CLIENT", "INFO"),
  "client|kill": many("CLIENT", "KILL", "ID", "999999999"),
  "client|list": many("CLIENT", "LIST"),
  "client|no-evict": many("CLIENT", "NO-EVICT", "ON"),
  "client|no-touch": many("CLIENT", "NO-TOUCH", "ON"),
  "client|pause": many("CLIENT", "PAUSE", "0"),
  "client|reply": many("CLIENT", "REPLY", "ON"),
  "client|setinfo": many("CLIENT", "SETINFO", "LIB-NAME", "x"),
  "client|setname": many("CLIENT", "SETNAME", "x"),
  "client|trackinginfo": many("CLIENT", "TRACKINGINFO"),
  "client|unpause": many("CLIENT", "UNPAUSE"),
  "cluster|countkeysinslot": some("CLUSTER", "COUNTKEYSINSLOT", "0"),
  "cluster|fence": many("CLUSTER", "FENCE", "1"),
  "cluster|forget": many("CLUSTER", "FORGET", "nobody"),
  "cluster|getkeysinslot": some("CLUSTER", "GETKEYSINSLOT", "0", "1000000000"),
  "cluster|info": many("CLUSTER", "INFO"),
  "cluster|join": many("CLUSTER", "JOIN", "nobody", "nowhere", "none"),
  "cluster|keyslot": ({ largeBytes }) => [{
    title: "CLUSTER KEYSLOT of a large key",
    requests: [["CLUSTER", "KEYSLOT", "k".repeat(largeBytes)]],
  }],
  "cluster|members": many("CLUSTER", "MEMBERS"),
  "cluster|myid": many("CLUSTER", "MYID"),
  "cluster|nodes": many("CLUSTER", "NODES"),
  "cluster|role": many("CLUSTER", "ROLE"),
  "cluster|shards": many("CLUSTER", "SHARDS"),
  "cluster|slots": many("CLUSTER", "SLOTS"),
  "cluster|transfer": many("CLUSTER", "TRANSFER", "nobody"),
  "cluster|watch": many("CLUSTER", "WATCH", "1000"),
  "command|count": many("COMMAND", "COUNT"),
  "command|docs": some("COMMAND", "DOCS"),
  "command|getkeys": ofManyKeys("GETKEYS"),
  "command|getkeysandflags": ofManyKeys("GETKEYSANDFLAGS"),
  "command|info": some("COMMAND", "INFO"),
  "command|list": some("COMMAND", "LIST"),
  "config|get": many("CONFIG", "GET", "*"),
  "config|resetstat": many("CONFIG", "RESETSTAT"),
  "config|rewrite": many("CONFIG", "REWRITE"),
  "config|set": many("CONFIG", "SET", "maxmemory", "0"),
  "fault|crash": many("FAULT", "CRASH"),
  "fault|delay": many("FAULT", "DELAY", "1"),
  "fault|drop": many("FAULT", "DROP", "1"),
  "fault|heal": many("FAULT", "HEAL"),
  "fault|isolate": many("FAULT", "ISOLATE"),
  "fault|list": many("FAULT", "LIST"),
  "fault|pause": many("FAULT", "PAUSE"),
  "fault|slow-disk": many("FAULT", "SLOW-DISK", "1"),
  "memory|usage": many("MEMORY", "USAGE", "key:1"),
  "object|encoding": many("OBJECT", "ENCODING", "key:1"),
  "object|freq": many("OBJECT", "FREQ", "key:1"),
  "object|refcount": many("OBJECT", "REFCOUNT", "key:1"),
  "session|close": many("SESSION", "CLOSE", "none"),
  "session|open": many("SESSION", "OPEN", "1000"),
  "snapshot|begin": () => [{ title: "SNAPSHOT BEGIN", requests: [["SNAPSHOT", "BEGIN"]] }],
  "snapshot|end": many("SNAPSHOT", "END", "none"),
  "snapshot|read": many("SNAPSHOT", "READ", "none", "0", "1048576"),
};
