import type { ClusterSecret } from "../access/peer_proof.ts";
import type { Logger } from "../base/logger.ts";
import type { Random } from "../base/random.ts";
import { MajorityWatch } from "../node/members/catch_up.ts";
import type { Cancel, Clock } from "../platform/clock.ts";
import type { Address, Network } from "../platform/network.ts";
import type { ProcessFacts } from "../platform/process.ts";
import type { ConnectionGate } from "../platform/sockets.ts";
import type { ClientLimits } from "../server/limits.ts";
import { listen, type RespListener } from "../server/listener.ts";
import { DEFAULT_PROXY_LIMITS, type ProxyLimits } from "./limits.ts";
import { ProxyFrontend } from "./proxy_frontend.ts";
import { ProxyUsers } from "./proxy_users.ts";
import { type ProxyStatus, proxyStatus } from "./proxy_view.ts";
import { Router } from "./router.ts";
import { Topology } from "./topology.ts";
import { ClusterWatcher } from "./watcher.ts";

/** Interval in ms of the router's and the watcher's ticks. */
const TICK_MS = 20;

export interface ProxyCoreOptions {
  /** Addresses of nodes to start with. One is enough to find the others. */
  readonly seeds: readonly Address[];
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** @default DEFAULT_PROXY_LIMITS */
  readonly limits?: Partial<ProxyLimits>;
  /** By which this process proves itself to nodes. @default none */
  readonly secret?: ClusterSecret | null;
  /** Called with the version of the users in each node's report. @default nobody wants to know */
  readonly usersReported?: (version: number) => void;
}

/** The proxy without its clients' sockets: watches the nodes and routes requests. */
export class ProxyCore {
  readonly topology: Topology;
  readonly router: Router;
  readonly #options: ProxyCoreOptions;
  readonly #cluster: ClusterWatcher;
  readonly #majority: MajorityWatch;
  #cancelTick: Cancel | null = null;
  #tickedMs = 0;
  #announced = "";

  constructor(options: ProxyCoreOptions) {
    const limits = { ...DEFAULT_PROXY_LIMITS, ...options.limits };
    this.#options = options;
    this.topology = new Topology(limits.silenceMsMax);
    this.router = new Router({ ...options, limits, topology: this.topology });
    this.#cluster = new ClusterWatcher({
      ...options,
      topology: this.topology,
      intervalMs: limits.watchIntervalMs,
      changed: () => this.#changed(),
    });
    this.#majority = new MajorityWatch({
      logger: options.logger,
      problem: (member) => this.#cluster.problem(member),
    });
  }

  start(): void {
    this.#tickedMs = this.#options.clock.monotonicMs();
    this.#cluster.start();
    this.#scheduleTick();
  }

  stop(): void {
    this.#cancelTick?.();
    this.#cluster.stop();
    this.router.stop();
  }

  status(): ProxyStatus {
    return proxyStatus(this.topology, this.router, this.#options.clock);
  }

  #changed(): void {
    const { leader } = this.topology;
    const text = leader === null ? "" : `${leader.label} leads in term ${leader.state?.term}`;
    if (text !== this.#announced) {
      this.#announced = text;
      if (text === "") this.#options.logger.warn("no leader, requests are held");
      else this.#options.logger.info(text);
    }
    this.router.topologyChanged();
  }

  #scheduleTick(): void {
    this.#cancelTick = this.#options.clock.after(TICK_MS, () => {
      this.#tick();
      this.#scheduleTick();
    });
  }

  #tick(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const elapsedMs = nowMs - this.#tickedMs;
    this.#tickedMs = nowMs;
    // If this process was stopped, it has not yet read what the nodes sent meanwhile.
    const awakeMs = Math.min(elapsedMs, 2 * TICK_MS);
    const silent = this.topology.advance(awakeMs);
    for (const node of silent) this.#options.logger.warn(`node ${node.label} does not answer`);
    if (silent.length > 0) {
      this.#cluster.refresh();
      this.#changed();
    }
    this.#cluster.tick(nowMs, awakeMs);
    this.#majority.check(nowMs, this.topology.leader !== null, this.#cluster.members);
    this.router.tick(elapsedMs);
  }
}

export interface ProxyOptions extends ProxyCoreOptions {
  /** Where to listen for clients. */
  readonly address: Address;
  readonly clientLimits: ClientLimits;
  /** Whether the process has run out of file descriptors. @default it never has */
  readonly hasNoFreeDescriptors?: () => boolean;
  /** What a client's connection goes through first. @default nothing */
  readonly gate?: ConnectionGate | null;
  readonly facts: ProcessFacts;
  /** What `CONFIG GET` shows. */
  readonly config: ReadonlyMap<string, string>;
}

/**
 * A RESP router in front of the nodes. It keeps nothing on disk, and any number of proxies may run.
 */
export class Proxy {
  readonly core: ProxyCore;
  readonly listener: RespListener;
  readonly #frontend: ProxyFrontend;

  private constructor(core: ProxyCore, listener: RespListener, frontend: ProxyFrontend) {
    this.core = core;
    this.listener = listener;
    this.#frontend = frontend;
  }

  /** @throws {UserError} when the address cannot be listened on */
  static async start(options: ProxyOptions): Promise<Proxy> {
    const { clientLimits, clock, random, facts, config, logger, secret = null } = options;
    const core: ProxyCore = new ProxyCore({
      ...options,
      usersReported: (version) => users.note(version),
    });
    const users: ProxyUsers = new ProxyUsers({
      router: core.router,
      clock,
      logger,
      changed: () => frontend.followUsers(),
    });
    let listener: RespListener | null = null;
    const frontend: ProxyFrontend = new ProxyFrontend({
      router: core.router,
      users,
      secret,
      logger,
      holdMsMax: options.limits?.holdMsMax ?? DEFAULT_PROXY_LIMITS.holdMsMax,
      status: () => core.status(),
      listener: () => {
        if (listener === null) throw new Error("Cannot list clients: the listener is not open yet");
        return listener;
      },
      clock,
      random,
      facts,
      config,
    });
    listener = await listen({ ...options, handler: frontend, limits: clientLimits });
    core.start();
    return new Proxy(core, listener, frontend);
  }

  status(): ProxyStatus {
    return this.core.status();
  }

  /** Disconnects all clients, and closes the connections to the nodes. */
  stop(): void {
    this.listener.close();
    this.#frontend.stop();
    this.core.stop();
  }
}
