import { encodeRequest } from "../../src/resp/encode.ts";
import { until } from "../../tests/support/until.ts";
import { LoadConnection } from "./load.ts";
import { endWithStdin, readLines, spawnScript } from "./processes.ts";

/** Idle connections, held by a separate process. */
export class IdleConnections {
  readonly opened: number;
  readonly #process: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(process: Deno.ChildProcess, lines: AsyncIterator<string>, opened: number) {
    this.#process = process;
    this.#lines = lines;
    this.opened = opened;
  }

  /** Opens connections, up to `count` or until one fails. */
  static async open(port: number, count: number): Promise<IdleConnections> {
    const process = spawnScript("idle_connections.ts", [String(port), String(count)]);
    const lines = readLines(process.stdout);
    const { opened } = await nextReport<Opened>(lines);
    return new IdleConnections(process, lines, opened);
  }

  /**
   * Counts, some seconds later, the connections still held, and checks that some of them are
   * answered.
   */
  ask(): Promise<Held> {
    return nextReport<Held>(this.#lines);
  }

  async close(): Promise<void> {
    await this.#process.stdin.close();
    await this.#lines.return?.();
    await this.#process.status;
  }
}

async function nextReport<T>(lines: AsyncIterator<string>): Promise<T> {
  const { value, done } = await lines.next();
  if (done === true) throw new Error("Cannot hold idle connections: their process has ended");
  return JSON.parse(value);
}

/** The first line of standard output, as JSON. */
export interface Opened {
  readonly opened: number;
}

/** The second line of standard output, as JSON. */
export interface Held {
  readonly held: number;
  /** Number of connections on which a request was sent. */
  readonly asked: number;
  readonly answered: number;
}

const AT_ONCE = 100;
const HOLD_MS = 5_000;
const ASKED = 20;

/** Opens the connections and holds them, in the separate process. */
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
