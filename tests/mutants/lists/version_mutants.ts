import type { Mutant } from "../mutant.ts";

const UPGRADE = "src/node/members/versions_test.ts";
const GREETING = "src/node/peers/transport_greeting_test.ts";
const CODEC = "src/node/peers/message_codec_test.ts";
const RULES = "src/commands/machine_rules_test.ts";

/** Nodes with different versions of Regent in one cluster. */
export const versionMutants: readonly Mutant[] = [
  {
    name: "first-writes-made-again-while-behind",
    bug: "a leader that has not applied the first writes and the version yet proposes them again",
    file: "src/node/members/versions.ts",
    find: "const appliedIndex = this.#options.appliedIndex();",
    replace:
      "const appliedIndex = Math.max(raft.status().appliedIndex, this.#options.appliedIndex());",
    killers: ["src/node/members/versions_test.ts"],
  },
  {
    name: "removed-node-too-old-for-the-log",
    bug: "an old node whose removal lets the others raise the version ends with an error about it",
    file: "src/node/node.ts",
    find: "if (isRemoved) return;",
    replace: 'if (isRemoved && why === "") return;',
    killers: [UPGRADE],
  },
  {
    name: "raised-without-a-dead-member",
    bug: "the version is raised while a member is away that may be an older build",
    file: "src/node/members/versions.ts",
    find: "if (said === undefined || !isConnected(id)) return 0;",
    replace: "if (said === undefined || !isConnected(id)) continue;",
    killers: [UPGRADE],
  },
  {
    name: "raised-by-the-leader-alone",
    bug: "the version is raised as soon as the leader supports a newer one",
    file: "src/node/members/versions.ts",
    find: "newest = Math.min(newest, said.machine.newest);",
    replace: "newest = Math.max(newest, said.machine.newest);",
    killers: [UPGRADE],
  },
  {
    name: "written-before-the-version",
    bug: "the first write of a new cluster has no rules",
    file: "src/node/members/versions.ts",
    find: "return machine.version === 0 && this.#proposed.term !== raft.term;",
    replace: "return machine.version < 0 && this.#proposed.term !== raft.term;",
    killers: [UPGRADE],
  },
  {
    name: "founders-writes-forgotten",
    bug: "the cluster settings from the founders' flags do not get into the log",
    file: "src/node/members/versions.ts",
    find: "machine.version === 0 && firstWrites.length > 0",
    replace: "machine.version < 0 && firstWrites.length > 0",
    killers: [UPGRADE],
  },
  {
    name: "founders-writes-behind-the-version",
    bug:
      "a crash during the founding leaves the version without the settings from the founders' flags",
    file: "src/node/members/versions.ts",
    find: "const index = raft.propose(batches);",
    replace: "const index = raft.propose(batches.toReversed());",
    killers: [UPGRADE],
  },
  {
    name: "founders-writes-again",
    bug: "each raise of the version puts the founders' settings back",
    file: "src/node/members/versions.ts",
    find: "machine.version === 0 && firstWrites.length > 0",
    replace: "machine.version >= 0 && firstWrites.length > 0",
    killers: [UPGRADE],
  },
  {
    name: "too-old-and-goes-on",
    bug: "a node executes a log by rules that it does not know",
    file: "src/node/members/versions.ts",
    find: "if (version === 0 || includesVersion(supported, version)) return null;",
    replace: "if (version >= 0 || includesVersion(supported, version)) return null;",
    killers: [UPGRADE, "src/node/snapshots/snapshot_receiver_test.ts"],
  },
  {
    name: "newer-write-proposed",
    bug: "a leader proposes a write that older members do not know",
    file: "src/node/clients/request.ts",
    find: "return Math.max(machineSince, innerSince) <= Math.max(1, version);",
    replace: "return Math.max(machineSince, innerSince) >= Math.max(1, version);",
    killers: [UPGRADE],
  },
  {
    name: "rules-of-the-build",
    bug: "a node uses the newest rules that it knows, whatever the log says",
    file: "src/commands/state_machine.ts",
    find: "const row = rules[Math.max(1, version) - 1];",
    replace: "const row = version < 0 ? undefined : rules[rules.length - 1];",
    killers: [RULES],
  },
  {
    name: "version-goes-back",
    bug: "an entry of an older leader lowers the version",
    file: "src/commands/state_machine.ts",
    find: "if (version > this.#version) this.#setVersion(version);",
    replace: "this.#setVersion(version);",
    killers: [RULES],
  },
  {
    name: "version-not-in-the-snapshot",
    bug: "a state from a snapshot keeps the old rules",
    file: "src/commands/state_machine.ts",
    find: "    this.#context.users = users;\n    this.#setVersion(version);",
    replace:
      "    this.#context.users = users;\n    this.#setVersion(Math.max(this.#version, version));",
    killers: [RULES],
  },
  {
    name: "reads-beyond-the-version",
    bug:
      "the writes of a newer build after a newer version are rejected, so that the version never arrives",
    file: "src/node/peers/message_codec.ts",
    find: "if (version !== null && !includesVersion(this.#options.machine, version)) {",
    replace:
      "if (version !== null && version < 0 && !includesVersion(this.#options.machine, version)) {",
    killers: [CODEC],
  },
  {
    name: "any-protocol-welcome",
    bug: "nodes without a common protocol version talk to each other",
    file: "src/base/version_range.ts",
    find: "return newest >= Math.max(left.oldest, right.oldest) ? newest : null;",
    replace: "return newest >= Math.min(left.oldest, right.oldest) ? newest : null;",
    killers: [GREETING],
  },
  {
    name: "connected-before-the-welcome",
    bug: "a peer that only accepts connections is taken for one that listens",
    file: "src/node/peers/link.ts",
    find: "    const hello = new FrameWriter();",
    replace: "    this.#isOpen = true;\n    const hello = new FrameWriter();",
    killers: [GREETING],
  },
];
