import type { Mutant } from "../mutant.ts";

const FOUNDERS = "src/node/members/founding_test.ts";
const FOUNDING = "src/node/members/founding_test.ts";
const GREETING = "src/node/peers/transport_greeting_test.ts";
const LIVES = "src/node/peers/inbox_test.ts";
const DIRECTORY = "src/node/log/data_directory_test.ts";
const PLACE = "src/cli/node_place_test.ts";
const WATCH = "src/node/members/catch_up_test.ts";
const WATCHERS = "src/proxy/watchers_test.ts";
const MEMBERSHIP = "src/node/members/membership_test.ts";

/** Which data directory belongs to which id. */
export const identityMutants: readonly Mutant[] = [
  {
    name: "founded-without-hearing-all",
    bug: "two founders begin without the third, and so do an emptied disk and one that missed all",
    file: "src/node/members/founding.ts",
    find: `if (this.missing.length > 0) return { type: "wait" };`,
    replace: `if (this.missing.length > 1) return { type: "wait" };`,
    killers: [FOUNDERS, FOUNDING],
  },
  {
    name: "founded-without-the-others-notes",
    bug: "a founder takes part before the others have durably recorded its identity",
    file: "src/node/members/founding.ts",
    find: "every(({ notes }) => notes.has(text));",
    replace: "every(({ notes }) => notes.has(text) || notes.size === 0);",
    killers: [FOUNDERS],
  },
  {
    name: "emptied-disk-takes-part",
    bug: "an emptied disk under an old id takes part when a member does",
    file: "src/node/members/founding.ts",
    find: `if (recorded !== this.#incarnation) return { type: "refuse" };`,
    replace: `if (recorded === "") return { type: "refuse" };`,
    killers: [FOUNDERS],
    simulation: true,
  },
  {
    name: "founders-heard-once-for-all-disks",
    bug:
      "a founder is identified by the first directory that it announced, though that was emptied",
    file: "src/node/members/founding.ts",
    find: "this.#heard.set(from, { incarnation: report.incarnation, notes });",
    replace: `const { incarnation } = before ?? report;
    this.#heard.set(from, { incarnation, notes });`,
    killers: [FOUNDERS],
  },
  {
    name: "founders-note-not-kept",
    bug: "a founder announces the directories it has recorded before its disk has the record",
    file: "src/node/members/founding.ts",
    find: "      this.#options.save(identity);\n",
    replace: "      if (identity.isFounded) this.#options.save(identity);\n",
    killers: [FOUNDING],
  },
  {
    name: "any-directory-may-speak",
    bug: "a peer is heard whatever data directory it runs on, in votes and confirmations",
    file: "src/node/peers/transport.ts",
    find: "recorded !== undefined && recorded !== hello.incarnation",
    replace: `recorded === "" && recorded !== hello.incarnation`,
    killers: [GREETING],
  },
  {
    name: "copy-is-heard",
    bug: "two processes with copies of one data directory vote twice under one id",
    file: "src/node/peers/inbox.ts",
    find: "if (life === known.copy) return false;",
    replace: `if (life === "") return false;`,
    killers: [LIVES],
  },
  {
    name: "restart-is-taken-for-a-copy",
    bug: "the last messages of a dead process make its next life a copy",
    file: "src/node/peers/inbox.ts",
    find: "const RETURNS_MAX = 6;",
    replace: "const RETURNS_MAX = 1;",
    killers: [LIVES],
  },
  {
    name: "incarnation-anew-at-each-start",
    bug: "a data directory gets another incarnation with each start, and its node is refused",
    file: "src/node/log/data_directory.ts",
    find: ": { ...stored, incarnation: stored.incarnation || incarnation };",
    replace: ": { ...stored, incarnation };",
    killers: [DIRECTORY],
  },
  {
    name: "incarnations-not-recorded",
    bug:
      "the leader records no incarnations if there are none: an upgraded cluster stays unprotected",
    file: "src/node/members/membership.ts",
    find: "if (recorded !== configuration && this.#propose(recorded))",
    replace: "if (recorded === null && this.#propose(recorded))",
    killers: [MEMBERSHIP],
  },
  {
    name: "address-not-remembered",
    bug: "nodes that are restarted by the short command announce 127.0.0.1 to each other",
    file: "src/cli/node_place.ts",
    find: "const host = flags.host || remembered.host || DEFAULT_HOST;",
    replace: "const host = flags.host || DEFAULT_HOST;",
    killers: [PLACE],
  },
  {
    name: "loopback-is-told-to-other-machines",
    bug: "a node asks peers on other machines to connect to 127.0.0.1",
    file: "src/cli/node_place.ts",
    find: "if (isLoopback(address.host)) continue;",
    replace: "if (!isLoopback(address.host)) continue;",
    killers: [PLACE],
  },
  {
    name: "client-port-in-peers",
    bug: "--peers with client ports is accepted",
    file: "src/cli/node_place.ts",
    find: "if (own.port === port && raftPort !== port) {",
    replace: "if (own.port === 0 && raftPort !== port) {",
    killers: [PLACE],
  },
  {
    name: "silent-without-a-majority",
    bug: "a node that reaches nobody does not report it",
    file: "src/node/members/catch_up.ts",
    find: "if (isLed || members.length === 0) {",
    replace: "if (isLed || members.length > 0) {",
    killers: [WATCH],
  },
  {
    name: "proxy-silent-without-a-majority",
    bug: "a proxy that reaches no majority does not report which nodes it lacks, and why",
    file: "src/proxy/proxy.ts",
    find: "this.#majority.check(nowMs, this.topology.leader !== null, this.#cluster.members);",
    replace: "this.#majority.check(nowMs, this.topology.leader === null, this.#cluster.members);",
    killers: [WATCHERS],
  },
  {
    name: "proxy-knows-no-reason",
    bug: "a proxy reports each node as not reached yet, whatever happened to it",
    file: "src/proxy/watcher.ts",
    find: "    this.#reason = shortReason(reason);\n",
    replace: "    shortReason(reason);\n",
    killers: [WATCHERS],
  },
  {
    name: "refused-founder-talks-on",
    bug: "a founder that was refused goes on taking part in the founding",
    file: "src/node/members/founding.ts",
    find: `  #refuse(sentence: string): void {
    if (this.#isOver) return;
    this.stop();`,
    replace: `  #refuse(sentence: string): void {
    if (this.#isOver) return;`,
    killers: ["src/node/members/founding_test.ts"],
  },
  {
    name: "removed-founder-waits-for-ever",
    bug: "a founder that was removed before it took part waits for ever, silently",
    file: "src/node/members/founding.ts",
    find: "this.#options.onRemoved();",
    replace: "",
    killers: ["src/node/members/founding_test.ts"],
  },
  {
    name: "stopped-founder-listens",
    bug: "a founder that is stopped while it starts keeps its port, and talks to others",
    file: "src/node/members/founding.ts",
    find: "if (this.#isOver) return this.#transport.stop();",
    replace: "",
    killers: ["src/node/members/founding_test.ts"],
  },
  {
    name: "waiting-founder-forgets-its-settings",
    bug: "a founder that is killed while it waits forgets the address on which it listens",
    file: "src/cli/bootstrap.ts",
    find: "!== JSON.stringify(stored.settings)) saveIdentity(disk, identity);",
    replace: "=== JSON.stringify(stored.settings)) saveIdentity(disk, identity);",
    killers: ["src/cli/bootstrap_test.ts"],
  },
];
