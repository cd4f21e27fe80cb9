import type { Mutant } from "../mutant.ts";

const ADDRESS = "src/base/address_test.ts";
const DESCRIPTORS = "tests/e2e/clients/descriptors_test.ts";
const EXCHANGE = "src/cli/offline/data_directories_test.ts";

/** Addresses, the command line, and the commands that work on directories. */
export const operatorMutants: readonly Mutant[] = [
  {
    name: "address-without-brackets",
    bug:
      "an IPv6 address is printed in a form in which other parsers cannot separate host and port",
    file: "src/base/address.ts",
    find: 'host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`',
    replace: 'host.includes("]") ? `[${host}]:${port}` : `${host}:${port}`',
    killers: [ADDRESS],
  },
  {
    name: "address-in-brackets-only",
    bug: "an IPv6 address in the form of Redis's replies is not understood",
    file: "src/base/address.ts",
    find: "NAME.test(text) || isIPv6(text)",
    replace: "NAME.test(text)",
    killers: [ADDRESS],
  },
  {
    name: "address-without-port",
    bug: "an IPv6 address without a port is taken for a shorter one with a port",
    file: "src/base/address.ts",
    find: "groups.length < 8 : parts.length === 1 && groups.length === 8",
    replace: "groups.length < 8 : groups.length > 0",
    killers: [ADDRESS],
  },
  {
    name: "identity-moved-in-first",
    bug:
      "a recovery that dies half-way leaves a directory that looks like a node's and is not whole",
    file: "src/cli/offline/data_directories.ts",
    find: "identityFirst(names).reverse()",
    replace: "identityFirst(names)",
    killers: [EXCHANGE],
  },
  {
    name: "identity-set-aside-last",
    bug: "a recovery that dies half-way leaves an old directory without its log",
    file: "src/cli/offline/data_directories.ts",
    find: "identityFirst(this.#contentNames())",
    replace: "identityFirst(this.#contentNames()).reverse()",
    killers: [EXCHANGE],
  },
  {
    name: "half-a-restore-kept",
    bug: "the remains of an interrupted restore are mixed with the files of the next one",
    file: "src/cli/offline/data_directories.ts",
    find: "const isOurs = isThere(this.staging) || this.#isInstalling;",
    replace: "const isOurs = isThere(this.staging);",
    killers: [EXCHANGE],
  },
  {
    name: "half-a-recovery-starts",
    bug: "a node starts anew on a directory whose recovery was interrupted",
    file: "src/node/log/data_directory.ts",
    find: "if (unfinished !== undefined) {",
    replace: "if (unfinished !== undefined && names.length === 1) {",
    killers: [EXCHANGE],
  },
  {
    name: "memory-usage-without-key",
    bug: "MEMORY USAGE does not count the key itself",
    file: "src/commands/key_rows.ts",
    find: "key.length + valueBytes(found.value) + KEY_OVERHEAD_BYTES",
    replace: "valueBytes(found.value) + KEY_OVERHEAD_BYTES",
    killers: ["src/commands/inspection_rows_test.ts"],
  },
  {
    name: "removed-by-a-followers-word",
    bug: "regent cluster takes a node for removed because a follower has not learned of it yet",
    file: "src/cli/cluster/cluster_view.ts",
    find: 'if (state.role === "leader" && state.isServing && state.term >= this.term) {',
    replace: "if (state.isServing && state.term >= this.term) {",
    killers: ["src/cli/cluster/cluster_view_test.ts"],
  },
  {
    name: "port-that-is-never-opened-again",
    bug:
      "after a lack of file descriptors nobody can connect any more, until the node is restarted",
    file: "src/platform/acceptor.ts",
    find: "      this.#reopen(wasOut);",
    replace: "      if (wasOut) this.#reopen(wasOut);",
    killers: [DESCRIPTORS],
  },
  {
    name: "raft-port-dies-of-a-burst",
    bug: "after many connections to the Raft port at once no node reaches this one any more",
    file: "src/platform/tcp_network.ts",
    find: "checksEachConnection: true,",
    replace: "checksEachConnection: false,",
    killers: [DESCRIPTORS],
  },
  {
    name: "proxy-dies-of-a-burst",
    bug: "the proxy does not notice that it is out of file descriptors, and stays unreachable",
    file: "src/cli/proxy.ts",
    find: "    hasNoFreeDescriptors,\n    facts",
    replace: "    ...(hasNoFreeDescriptors() ? { hasNoFreeDescriptors } : {}),\n    facts",
    killers: [DESCRIPTORS],
  },
  {
    name: "proxy-hides-maxmemory",
    bug: "INFO of a proxy shows no bound of memory, although the cluster has one",
    file: "src/proxy/proxy_view.ts",
    find: "blockedClients, maxmemory: memoryBytesMax };",
    replace: "blockedClients, maxmemory: 0 * memoryBytesMax };",
    killers: ["src/proxy/proxy_test.ts"],
  },
  {
    name: "clock-offset-without-sign",
    bug: "INFO does not show whether a node's clock is ahead of the others' or behind",
    file: "src/server/info.ts",
    find: '["clock_offset_ms", report.time.clockOffsetMs ?? ""]',
    replace: '["clock_offset_ms", Math.abs(report.time.clockOffsetMs ?? 0)]',
    killers: ["src/server/node_info_test.ts"],
  },
  {
    name: "links-without-keep-alive",
    bug: "a link to a machine that lost its power stays open for good while nothing is sent on it",
    file: "src/platform/tcp_network.ts",
    find: "    socket.setKeepAlive(true, KEEP_ALIVE_MS);",
    replace: "    socket.setKeepAlive(false, KEEP_ALIVE_MS);",
    killers: ["src/platform/tcp_network_test.ts"],
  },
  {
    name: "heal-ends-all-faults",
    bug: "FAULT HEAL ends all faults of a node, also when it names one kind",
    file: "src/commands/server_rows.ts",
    find: "faults.heal(args[2]);",
    replace: "faults.heal(args[3]);",
    killers: ["src/server/fault_commands_test.ts"],
  },
];
