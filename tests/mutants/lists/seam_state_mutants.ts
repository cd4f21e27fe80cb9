import type { Mutant } from "../mutant.ts";

/** Where commands, the state, and the command line meet. The author had not seen the tests. */
export const seamStateMutants: readonly Mutant[] = [
  {
    name: "seam-restored-sessions-have-no-limits",
    bug:
      "a node takes its version from a snapshot: its sessions have no limits, those of other members do",
    file: "src/commands/state_machine.ts",
    find: `    this.sessions.limits = this.#rules.sessionLimits;
`,
    replace: "",
    killers: ["src/commands/machine_rules_test.ts"],
  },
  {
    name: "seam-nearest-deadline-is-the-farthest",
    bug: "keys and sessions both have deadlines: the log's time advances only with the later one",
    file: "src/commands/state_machine.ts",
    find: "Math.min(key, session)",
    replace: "Math.max(key, session)",
    killers: ["src/commands/state_machine_test.ts"],
  },
  {
    name: "seam-stamped-write-is-never-out-of-memory",
    bug: "a write in ONCE, as all through a proxy, is executed though the memory is full",
    file: "src/commands/state_machine.ts",
    find: "replies.push(this.#run(checkInner(request, 0, check), request));",
    replace: `const { run } = checkInner(request, 0, check);
        replies.push(run?.(this.#context, request) ?? null);`,
    killers: ["src/commands/session_rows_test.ts"],
  },
  {
    name: "seam-long-stamped-write-is-not-remembered",
    bug:
      "a long write with a serial is executed step by step and its reply not kept: resent, it is executed again",
    file: "src/commands/session_rows.ts",
    find:
      `return keepReply(context, call, yield* context.allInSteps(innerOf(args), checkInnerWrite));`,
    replace: "return (yield* context.allInSteps(innerOf(args), checkInnerWrite))[0] ?? null;",
    killers: ["src/commands/session_rows_test.ts"],
  },
  {
    name: "seam-clients-of-two-proxies-are-one-owner",
    bug: "a client's session counts against clients of other proxies that have the same number",
    file: "src/commands/session_rows.ts",
    find: "isProxy ? connection : `${connection}/${client}`",
    replace: "isProxy ? connection : `${client}`",
    killers: ["src/commands/session_rows_test.ts"],
  },
  {
    name: "seam-replies-of-ended-sessions-weigh-on",
    bug:
      "a session ends: its replies count for ever in its share, and the remaining sessions keep few",
    file: "src/store/once_sessions.ts",
    find: `    share.repliesBytes -= session.repliesBytes;
`,
    replace: "",
    killers: ["src/store/once_sessions_test.ts"],
  },
  {
    name: "seam-flushed-keys-take-memory",
    bug: "FLUSHALL still counts the memory of all keys it removed",
    file: "src/store/keyspace.ts",
    find: `    this.#deadlines = new Deadlines();
    this.#usedBytes = 0;
`,
    replace: `    this.#deadlines = new Deadlines();
`,
    killers: ["src/store/keyspace_test.ts"],
  },
  {
    name: "seam-snapshot-sees-later-deadlines",
    bug: "a key gets a deadline while a snapshot is being taken: the snapshot has the later one",
    file: "src/store/keyspace.ts",
    find: `    this.#keep(position);
    this.#deadlines.set(position, key, deadlineMs);`,
    replace: "    this.#deadlines.set(position, key, deadlineMs);",
    killers: ["src/commands/snapshot_test.ts"],
  },
  {
    name: "seam-restart-on-the-same-host-forgets-what-was-announced",
    bug: "a node that is restarted with the same --host forgets its --advertise",
    file: "src/cli/node_place.ts",
    find: `const isMoved = flags.host !== "" && flags.host !== remembered.host;`,
    replace: `const isMoved = flags.host !== "" && flags.host !== remembered.advertise;`,
    killers: ["src/cli/node_place_test.ts"],
  },
  {
    name: "seam-announced-raft-port-is-remembered-once",
    bug:
      "the --advertise-raft-port of the first start holds for the second one, and not for the third",
    file: "src/cli/node_place.ts",
    find: "...(advertiseRaftPort === undefined ? {} : { advertiseRaftPort }),",
    replace: `...(flags.advertiseRaftPort === undefined
        ? {}
        : { advertiseRaftPort: flags.advertiseRaftPort }),`,
    killers: ["src/cli/node_place_test.ts"],
  },
  {
    name: "seam-directory-with-a-log-begins-anew",
    bug:
      "a directory that has a log, but is not marked as founded, is taken for a new one if --peers differ",
    file: "src/cli/bootstrap.ts",
    find: `if (isFounded || disk.list("").includes("log")) return false;`,
    replace: `if (isFounded || disk.list("").includes("logs")) return false;`,
    killers: ["src/cli/bootstrap_test.ts"],
  },
  {
    name: "seam-order-of-peers-makes-another-cluster",
    bug: "nodes that name the same members in another order do not find a cluster",
    file: "src/cli/bootstrap.ts",
    find: "`${id}=${address}`).sort();",
    replace: "`${id}=${address}`);",
    killers: ["src/cli/bootstrap_test.ts"],
  },
];
