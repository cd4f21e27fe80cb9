import { silentLogger } from "../../src/base/logger.ts";
import type { Address } from "../../src/platform/network.ts";
import type { ProxyLimits } from "../../src/proxy/limits.ts";
import { ProxyCore } from "../../src/proxy/proxy.ts";
import { ProxyFrontend } from "../../src/proxy/proxy_frontend.ts";
import { DEFAULT_CLIENT_LIMITS } from "../../src/server/limits.ts";
import { RespListener } from "../../src/server/listener.ts";
import { PROCESS_FACTS } from "../support/process_facts.ts";
import { AnswerWatch } from "./answer_watch.ts";
import { HostClock, type SimProcess } from "./sim_process.ts";
import { SimServer } from "./sim_socket.ts";
import type { World } from "./world.ts";

/** The proxy checks held requests and its connections every 20 ms. */
const LATENESS_MS_MAX = 100;

/** A machine with a proxy, which keeps nothing over a restart. */
export class SimProxy {
  readonly name: string;
  readonly hostClock: HostClock;
  readonly #world: World;
  readonly #seeds: readonly Address[];
  /** How long it tries before it gives up. */
  readonly holdMsMax: number;
  readonly #limits: Partial<ProxyLimits> & Pick<ProxyLimits, "holdMsMax" | "replyMsMax">;
  #process: SimProcess | null = null;

  /** @param limits override those that the seed draws */
  constructor(
    world: World,
    name: string,
    seeds: readonly Address[],
    limits: Partial<ProxyLimits> = {},
  ) {
    const { random, plan } = world;
    this.#world = world;
    this.name = name;
    this.#seeds = seeds;
    this.hostClock = new HostClock(1_700_000_000_000, 1 + (random() * 2 - 1) * plan.clockRateMax);
    const pick = (...values: number[]) => values[Math.floor(random() * values.length)] ?? 0;
    const drawnMs = pick(500, 2_000, 5_000);
    this.holdMsMax = limits.holdMsMax ?? drawnMs;
    this.#limits = {
      holdMsMax: this.holdMsMax,
      replyMsMax: pick(1_000, 5_000, 30_000),
      windowRequestsMax: pick(1, 8, 4_096),
      holdRequestsMax: pick(5, 100, 100_000),
      ...limits,
    };
  }

  get address(): Address {
    return { host: this.name, port: 7000 };
  }

  get isUp(): boolean {
    return this.#process !== null;
  }

  start(): void {
    if (this.#process !== null) return;
    this.#world.note(this.name, "start");
    const process = this.#world.process(this.name, this.hostClock);
    this.#process = process;
    process.run(() => this.#open(process));
  }

  crash(): void {
    if (this.#process === null) return;
    this.#world.note(this.name, "is killed");
    this.#process.kill();
    this.#process = null;
  }

  pause(): void {
    this.#process?.pause();
  }

  resume(): void {
    this.#process?.resume();
  }

  #open(process: SimProcess): void {
    const { network, random, scheduler, oracle } = this.#world;
    const { clock } = process;
    const core = new ProxyCore({
      seeds: this.#seeds,
      network: network.of(process),
      clock,
      random,
      logger: silentLogger,
      limits: this.#limits,
    });
    const { holdMsMax, replyMsMax } = this.#limits;
    const answers = new AnswerWatch({
      who: this.name,
      process,
      scheduler,
      withinMs: 2 * holdMsMax + replyMsMax + LATENESS_MS_MAX,
      isByTurn: true,
      fail: (what) => oracle.fail(what),
    });
    const server = new SimServer(this.address, clock, answers);
    const frontend: ProxyFrontend = new ProxyFrontend({
      router: core.router,
      status: () => core.status(),
      listener: () => listener,
      clock,
      random,
      facts: PROCESS_FACTS,
      config: new Map(),
    });
    const listener: RespListener = new RespListener(server.asServer, {
      address: this.address,
      handler: frontend,
      limits: DEFAULT_CLIENT_LIMITS,
      clock,
      logger: silentLogger,
    });
    core.start();
    network.listen(process, this.address, (stream) => server.accept(stream));
  }
}
