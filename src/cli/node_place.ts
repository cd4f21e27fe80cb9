import { type Address, formatAddress, isLoopback } from "../base/address.ts";
import { UserError } from "../base/errors.ts";
import type { NodeSettings } from "../node/log/data_directory.ts";
import { UsageError } from "./flags.ts";

/** By default, the Raft port is the client port plus this, as is the bus port of Redis Cluster. */
const RAFT_PORT_OFFSET = 10_000;
const DEFAULT_HOST = "127.0.0.1";
/** Addresses on which a node can listen, but to which nobody can connect. */
const WILDCARDS: readonly string[] = ["0.0.0.0", "::"];

/** The flags that say where a node listens and how others reach it. */
export interface PlaceFlags {
  readonly id: string;
  readonly port: number;
  readonly raftPort: number | undefined;
  readonly advertiseRaftPort: number | undefined;
  readonly proxyPort: number | undefined;
  readonly httpPort: number | string;
  /** Empty if not given. */
  readonly host: string;
  /** Empty if not given. */
  readonly advertise: string;
  readonly peers: ReadonlyMap<string, Address>;
}

/** Where a node listens, and where others reach it. */
export interface NodePlace {
  readonly host: string;
  readonly raftPort: number;
  readonly clientAddress: Address;
  readonly raftAddress: Address;
  /** To be stored in the data directory. */
  readonly settings: NodeSettings;
}

/**
 * The addresses of a node, from its flags, and for absent flags from its last start.
 *
 * @throws {UsageError} when flags contradict each other
 */
export function nodePlace(flags: PlaceFlags, remembered: NodeSettings): NodePlace {
  const { id, port, peers } = flags;
  const host = flags.host || remembered.host || DEFAULT_HOST;
  // The stored `--advertise` belongs to the old host.
  const isMoved = flags.host !== "" && flags.host !== remembered.host;
  const advertised = flags.advertise || (isMoved ? "" : remembered.advertise ?? "");
  const raftPort = flags.raftPort ?? remembered.raftPort ?? port + RAFT_PORT_OFFSET;
  const advertiseRaftPort = flags.advertiseRaftPort ?? remembered.advertiseRaftPort;
  if (raftPort > 65_535) {
    throw new UsageError(`Cannot derive the Raft port from --port ${port}: give --raft-port`);
  }
  checkPorts([
    ["--port", port],
    ["--raft-port", raftPort],
    ["--proxy-port", flags.proxyPort],
    ["--http-port", typeof flags.httpPort === "number" ? flags.httpPort : undefined],
  ]);
  const advertise = advertised || host;
  if (WILDCARDS.includes(advertise)) {
    throw new UsageError(
      `Cannot tell others to reach this node at ${advertise}: give --advertise HOST`,
    );
  }
  const own = peers.get(id);
  if (own !== undefined) {
    checkOwnEntry(own, flags, { host, raftPort: advertiseRaftPort ?? raftPort, advertised });
  }
  return {
    host,
    raftPort,
    clientAddress: { host: advertise, port },
    raftAddress: own ?? { host: advertise, port: advertiseRaftPort ?? raftPort },
    settings: {
      host,
      ...(advertised === "" ? {} : { advertise: advertised }),
      // A port derived from --port must stay derived.
      ...(raftPort === port + RAFT_PORT_OFFSET ? {} : { raftPort }),
      ...(advertiseRaftPort === undefined ? {} : { advertiseRaftPort }),
    },
  };
}

/**
 * Checks that peers on other machines need not connect to a loopback address.
 *
 * @param others addresses by name
 * @throws {UserError} saying which flag to give
 */
export function checkReachable(
  { clientAddress: { host } }: Pick<NodePlace, "clientAddress">,
  others: Iterable<readonly [name: string, address: Address]>,
): void {
  if (!isLoopback(host)) return;
  for (const [name, address] of others) {
    if (isLoopback(address.host)) continue;
    throw new UserError(
      `Cannot tell ${name} at ${formatAddress(address)} to reach this node at ${host}: ` +
        `give --host, or --advertise, with an address of this machine`,
    );
  }
}

function checkPorts(ports: readonly (readonly [flag: string, port: number | undefined])[]): void {
  for (const [at, [flag, port]] of ports.entries()) {
    const twin = ports.slice(0, at).find(([, other]) => other === port && port !== undefined);
    if (twin === undefined) continue;
    throw new UsageError(`Cannot use ${twin[0]} and ${flag} with the same port: both are ${port}`);
  }
}

/** `--peers` is the same on all nodes: a wrong entry for this node is wrong everywhere. */
function checkOwnEntry(
  own: Address,
  { id, port }: PlaceFlags,
  { host, raftPort, advertised }: {
    readonly host: string;
    readonly raftPort: number;
    readonly advertised: string;
  },
): void {
  const refuse = (why: string) =>
    new UsageError(`Cannot use --peers: ${id}=${formatAddress(own)} ${why}`);
  if (own.port === port && raftPort !== port) {
    throw refuse(`is the address for clients: give the Raft port, ${raftPort}`);
  }
  if (own.port !== raftPort) {
    throw refuse(
      `contradicts the Raft port ${raftPort}: make them the same, or give --advertise-raft-port ` +
        `if a router forwards one to the other`,
    );
  }
  const areBothNumbers = [own.host, host].every((one) =>
    /^[0-9.]+$/.test(one) || one.includes(":")
  );
  if (advertised === "" && areBothNumbers && own.host !== host && !WILDCARDS.includes(host)) {
    throw refuse(`contradicts --host ${host}: give --host ${own.host}, or --advertise`);
  }
}
