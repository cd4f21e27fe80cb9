import { ClusterSecret } from "../../src/access/peer_proof.ts";
import { silentLogger } from "../../src/base/logger.ts";
import { StateMachine } from "../../src/commands/state_machine.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { tcpNetwork } from "../../src/platform/tcp_network.ts";
import { Proxy } from "../../src/proxy/proxy.ts";
import { DEFAULT_CLIENT_LIMITS } from "../../src/server/limits.ts";
import { listen, type RespListener } from "../../src/server/listener.ts";
import { NodeFrontend } from "../../src/server/node_frontend.ts";
import { MemoryCluster } from "./node/memory_cluster.ts";
import { PROCESS_FACTS } from "./process_facts.ts";

/** A node of this process with a real port, whose log and peers are in memory. */
export interface AccessNode {
  readonly port: number;
  readonly machine: StateMachine;
  readonly frontend: NodeFrontend;
  /** The lines of its log. */
  readonly lines: string[];
}

/** A proxy of this process, with a real port. */
export interface AccessProxy {
  readonly port: number;
  readonly proxy: Proxy;
  readonly lines: string[];
}

/** Runs a test with a proxy in front of nodes at these ports. */
export async function withAccessProxy<T>(
  ports: readonly number[],
  test: (proxy: AccessProxy) => Promise<T>,
  { secret = null, holdMsMax = 5_000 }: { secret?: string | null; holdMsMax?: number } = {},
): Promise<T> {
  const lines: string[] = [];
  const logger = { ...silentLogger, info: (line: string) => void lines.push(line) };
  const proxy = await Proxy.start({
    seeds: ports.map((port) => ({ host: "127.0.0.1", port })),
    network: tcpNetwork,
    clock: systemClock,
    random: Math.random,
    logger: { ...logger, warn: (line) => void lines.push(line) },
    limits: { holdMsMax },
    secret: secret === null ? null : new ClusterSecret(secret),
    address: { host: "127.0.0.1", port: 0 },
    clientLimits: DEFAULT_CLIENT_LIMITS,
    facts: PROCESS_FACTS,
    config: new Map(),
  });
  try {
    return await test({ port: proxy.listener.address.port, proxy, lines });
  } finally {
    proxy.stop();
  }
}

/** Runs a test with a node of one's own. @param secret of its cluster */
export async function withAccessNode<T>(
  test: (node: AccessNode) => Promise<T>,
  secret: string | null = null,
): Promise<T> {
  const machine = new StateMachine();
  const cluster = await MemoryCluster.start(1, { machineOf: () => machine });
  cluster.untilServing();
  const lines: string[] = [];
  const frontend: NodeFrontend = new NodeFrontend({
    node: cluster.leader,
    machine,
    clock: systemClock,
    facts: PROCESS_FACTS,
    config: new Map(),
    listener: () => listener,
    secret: secret === null ? null : new ClusterSecret(secret),
    logger: { ...silentLogger, info: (line) => void lines.push(line) },
  });
  const listener: RespListener = await listen({
    address: { host: "127.0.0.1", port: 0 },
    handler: frontend,
    limits: DEFAULT_CLIENT_LIMITS,
    clock: systemClock,
    logger: silentLogger,
  });
  // The node's own clock goes at the pace of this process.
  const timer = setInterval(() => cluster.clock.advance(1), 1);
  try {
    return await test({ port: listener.address.port, machine, frontend, lines });
  } finally {
    clearInterval(timer);
    frontend.stop();
    listener.close();
    cluster.stop();
  }
}
