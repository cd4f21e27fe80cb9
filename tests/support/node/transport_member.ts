import { seededRandom } from "../../../src/base/random.ts";
import { BUILD_VERSIONS } from "../../../src/node/members/versions.ts";
import type { PeerMessage } from "../../../src/node/peers/peer_message.ts";
import { type PeerPlan, PeerTransport } from "../../../src/node/peers/transport.ts";
import type { Address, Network } from "../../../src/platform/network.ts";
import type { NodeId } from "../../../src/raft/types.ts";
import { ManualClock } from "./manual_clock.ts";
import { MemoryNetwork } from "./memory_network.ts";

export const ADDRESSES: ReadonlyMap<NodeId, Address> = new Map([
  ["n1", { host: "memory", port: 17001 }],
  ["n2", { host: "memory", port: 17002 }],
]);

/** Part of a plan in which no data directory is recorded and nobody was removed. */
export const NOBODY = { incarnations: new Map<string, string>(), removed: [] };

/** A member that has a transport and records its events. */
export class TransportMember {
  readonly messages: PeerMessage[] = [];
  readonly lost: NodeId[] = [];
  readonly announced: [NodeId, Address][] = [];
  readonly logged: string[] = [];
  readonly transport: PeerTransport;
  readonly #plan: PeerPlan;
  readonly refusals: string[] = [];
  removedCount = 0;
  life = crypto.randomUUID();

  constructor(
    id: NodeId,
    clock: ManualClock,
    network: MemoryNetwork,
    clusterId = "c1",
    own?: Network,
    port = ADDRESSES.get(id)?.port ?? 17009,
    protocol = BUILD_VERSIONS.protocol,
  ) {
    const listen = { host: "memory", port };
    const log = (line: string) => this.logged.push(line);
    this.transport = new PeerTransport({
      id,
      clusterId,
      listen,
      versions: { ...BUILD_VERSIONS, protocol },
      clientAddress: { host: "memory", port: listen.port - 10_000 },
      credentials: () => ({
        ...{ incarnation: `directory of ${id}`, life: this.life, founders: {}, isFounded: true },
      }),
      entryBytesMax: 10_000,
      network: own ?? network.of(listen.port),
      clock,
      random: seededRandom(1),
      logger: { info: log, warn: log, error: log },
    }, {
      onMessage: (message) => this.messages.push(message),
      onUnreachable: (peer) => this.lost.push(peer),
      onAnnounced: (peer, address) => this.announced.push([peer, address]),
      onRemoved: () => this.removedCount++,
      onRefused: (by, why, at) => this.refusals.push(`${why} by ${by} at ${at?.host}:${at?.port}`),
    });
    this.#plan = {
      index: 5,
      committedIndex: 1,
      committedMembers: new Set(ADDRESSES.keys()),
      addresses: new Map([...ADDRESSES].filter(([peer]) => peer !== id)),
      incarnations: new Map(),
      removed: [],
    };
  }

  async start(): Promise<void> {
    await this.transport.start();
    this.transport.follow(this.#plan);
  }
}

export function heartbeat(round: number): PeerMessage {
  return { type: "heartbeat", from: "n1", to: "n2", term: 1, commit: 0, round };
}

/** Two members, which connect if they are of one cluster. */
export async function transportPair(clusterOfSecond = "c1") {
  const clock = new ManualClock();
  const network = new MemoryNetwork(clock);
  const first = new TransportMember("n1", clock, network);
  const second = new TransportMember("n2", clock, network, clusterOfSecond);
  await first.start();
  await second.start();
  clock.advance(100);
  return { clock, network, first, second };
}
