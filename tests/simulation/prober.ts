import type { Address } from "../../src/platform/network.ts";
import { ClientConnection } from "./sim_client.ts";
import type { SimHistory } from "./sim_history.ts";
import { HostClock, type SimProcess } from "./sim_process.ts";
import type { World } from "./world.ts";

const PATIENCE_MS = 1_000;
const KEYS_AT_ONCE = 20;
/** Lifetime of the values that it writes to an expiring key. */
const PASSING_MS = "300";

/** A client that keeps trying to write, or to read keys. */
export class Prober {
  readonly name: string;
  hasSucceeded = false;
  readonly #world: World;
  readonly #targets: readonly Address[];
  readonly #history: SimHistory;
  readonly #process: SimProcess;
  /** Keys that are not read yet; `null` if it writes. */
  #keys: string[] | null;
  #tries = 0;
  #asked = 0;
  #succeeded = 0;
  #target: Address | undefined;

  constructor(
    world: World,
    name: string,
    targets: readonly Address[],
    history: SimHistory,
    keys: readonly string[] | null = null,
  ) {
    this.#world = world;
    this.name = name;
    this.#targets = targets;
    this.#history = history;
    this.#keys = keys === null ? null : [...keys];
    this.#process = world.process(name, new HostClock(0, 1));
  }

  start(): void {
    const target = this.#target ?? this.#targets[this.#tries % this.#targets.length];
    if (target === undefined) return;
    this.#target = undefined;
    this.#tries++;
    this.#asked = 0;
    const connection: ClientConnection = new ClientConnection(this.#world, this.#process, target, {
      name: this.name,
      history: this.#history,
      patienceMs: PATIENCE_MS,
      opened: () => this.#goOn(connection),
      answeredAll: () => this.#goOn(connection),
      answered: (ending) => {
        if (ending === "ok") this.#succeeded++;
      },
      moved: (address) => this.#target = address,
      closed: () => {
        if (!this.hasSucceeded) this.#process.clock.after(20, () => this.start());
      },
    });
  }

  /** The connection is open, or the last request is answered. */
  #goOn(connection: ClientConnection): void {
    const isAnswered = this.#asked > 0 && this.#succeeded === this.#asked;
    if (isAnswered) this.#keys?.splice(0, this.#asked);
    this.hasSucceeded = this.#keys === null ? isAnswered : this.#keys.length === 0;
    if (this.hasSucceeded || (this.#asked > 0 && !isAnswered)) return connection.close();
    const requests = this.#keys === null
      ? this.#writes()
      : this.#keys.slice(0, KEYS_AT_ONCE).map((key) => ["GET", key]);
    this.#asked = requests.length;
    this.#succeeded = 0;
    connection.send(requests);
  }

  #writes(): string[][] {
    const value = `${this.name}.${this.#tries}`;
    return [["SET", "r1", value], ["SET", "t1", value, "PX", PASSING_MS]];
  }
}
