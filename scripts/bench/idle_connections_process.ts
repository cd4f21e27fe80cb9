/**
 * Opens many connections to a port and holds them until its standard input ends.
 *
 * deno run idle_connections_process.ts PORT COUNT
 */
import { encodeRequest } from "../../src/resp/encode.ts";
import { until } from "../../tests/support/until.ts";
import { endWithStdin } from "./end_with_stdin.ts";
import { LoadConnection } from "./load_connection.ts";

/** The first line on standard output, as JSON. */
export interface Opened {
  readonly opened: number;
}

/** The second one. */
export interface Held {
  readonly held: number;
  /** How many were sent a request. */
  readonly asked: number;
  readonly answered: number;
}

const AT_ONCE = 100;
const HOLD_MS = 5_000;
const ASKED = 20;

class Holder {
  readonly #port: number;
  readonly #open = new Set<LoadConnection>();
  #answered = 0;

  constructor(port: number) {
    this.#port = port;
  }

  async openAll(count: number): Promise<Opened> {
    for (let left = count; left > 0; left -= AT_ONCE) {
      const opening = Array.from({ length: Math.min(AT_ONCE, left) }, () => this.#openOne());
      const isOpen = await Promise.all(opening);
      if (isOpen.includes(false)) break;
    }
    return { opened: this.#open.size };
  }

  async ask(): Promise<Held> {
    const connections = [...this.#open];
    const every = Math.max(1, Math.floor(connections.length / ASKED));
    const chosen = connections.filter((_, at) => at % every === 0).slice(0, ASKED);
    for (const connection of chosen) connection.send(encodeRequest(["GET", "a key"]));
    await until("they are answered", () => this.#answered === chosen.length).catch(() => {});
    return { held: this.#open.size, asked: chosen.length, answered: this.#answered };
  }

  async #openOne(): Promise<boolean> {
    try {
      const connection: LoadConnection = await LoadConnection.connect({
        port: this.#port,
        onReply: (text) => void (text.startsWith("-") || this.#answered++),
        onEnd: () => void this.#open.delete(connection),
      });
      this.#open.add(connection);
      return true;
    } catch {
      return false;
    }
  }
}

if (import.meta.main) {
  void endWithStdin();
  const [port, count] = Deno.args.map(Number);
  const holder = new Holder(port ?? 0);
  console.log(JSON.stringify(await holder.openAll(count ?? 0)));
  await new Promise((resolve) => setTimeout(resolve, HOLD_MS));
  console.log(JSON.stringify(await holder.ask()));
}
