/**
 * Fills a node with keys, sends the worst requests of each command to it and to a proxy in front of
 * it. Prints the longest pauses of the two event loops, and the longest time for which a PING of
 * another client waited. The exit code is 1 if a pause is longer than allowed.
 *
 * deno task bench:pauses [--keys N] [--only COMMANDS] [--large-bytes N] [--pause-ms-max MS]
 *   [--rounds N]
 */
import net from "node:net";
import { integer, text, type Values } from "../src/cli/flags.ts";
import { encodeRequest } from "../src/resp/encode.ts";
import { ReplyScanner } from "../src/resp/reply_scanner.ts";
import { DEFAULT_CLIENT_LIMITS } from "../src/server/limits.ts";
import { freePorts } from "../tests/support/free_ports.ts";
import { withTemporaryDirectory } from "../tests/support/temporary_directory.ts";
import { until } from "../tests/support/until.ts";
import { Watched } from "./bench/pauses.ts";
import { REFILL, WORST_REQUESTS, type WorstRequest } from "./bench/worst_requests.ts";
import { runTask } from "./run_task.ts";

const flags = {
  keys: integer("N", {
    help: "Number of stored keys, with values of 64 bytes",
    defaultValue: 1_000_000,
    min: 1_000,
    max: 1e7,
  }),
  only: text("COMMANDS", {
    help: "Measure only these commands and their subcommands, such as keys,scan; by default all",
    defaultValue: "",
  }),
  largeBytes: integer("N", {
    help: "Size of a large value in bytes; by default the largest that a client may send",
    defaultValue: DEFAULT_CLIENT_LIMITS.bulkBytesMax,
    min: 64 * 1024,
    max: 64 * 1024 * 1024,
  }),
  pauseMsMax: integer("MS", {
    help: "Longest pause allowed; exits with 1 after a longer one",
    defaultValue: 25,
    min: 1,
    max: 1e6,
  }),
  rounds: integer("N", {
    help: "Number of times that each request is measured; the best one counts",
    defaultValue: 2,
    min: 1,
    max: 9,
  }),
};

const VALUE = "x".repeat(64);
const FILL_PIPELINE = 1_000;
const LONG_MS = 300_000;
/** Number of waits listed at the end. */
const WAITS_SHOWN = 10;
/** Time in milliseconds after the replies in which pauses still count, as of garbage collection. */
const AFTERWARDS_MS = 300;

async function run(values: Values<typeof flags>): Promise<number> {
  return await withTemporaryDirectory(async (dir) => {
    const idle = new Watched();
    const bench = new Bench(`${dir}/n1`, idle, await freePorts(3), values);
    try {
      return await bench.run();
    } finally {
      bench.stop();
      await idle.stop();
    }
  });
}

/** The longest pause of each process, and the longest time until a PING was answered. */
interface Pauses {
  readonly node: number;
  readonly proxy: number;
  readonly idle: number;
  readonly ping: number;
}

class Bench {
  readonly #ports: readonly number[];
  readonly #idle: Watched;
  readonly #node: Watched;
  readonly #proxy: Watched;
  #pinging: Watched | null = null;
  readonly #values: Values<typeof flags>;

  constructor(
    dir: string,
    idle: Watched,
    [port = 0, raftPort = 0, proxyPort = 0]: readonly number[],
    values: Values<typeof flags>,
  ) {
    const ports = ["--port", `${port}`, "--raft-port", `${raftPort}`];
    const large = ["--bulk-bytes-max", `${values.largeBytes}`];
    this.#ports = [port, proxyPort];
    this.#idle = idle;
    this.#values = values;
    const node = ["node", "--id", "n1", "--role", "leader", "--dir", dir, ...ports, ...large];
    this.#node = new Watched(node);
    const proxy = ["proxy", "--port", `${proxyPort}`, "--nodes", `127.0.0.1:${port}`, ...large];
    this.#proxy = new Watched(proxy);
  }

  async run(): Promise<number> {
    const { only, keys, largeBytes, pauseMsMax, rounds } = this.#values;
    await until("node and proxy serve", () => this.#isServing(), { timeoutMs: 30_000 });
    await this.#fill();
    this.#pinging = new Watched(this.#ports.map(String), "pinging_process.ts");
    const columns = ["command", "request", "to", "node, ms", "proxy, ms", "idle, ms", "PING, ms"];
    console.log(`| ${columns.join(" | ")} |`);
    console.log(`| ${columns.map(() => "---").join(" | ")} |`);
    const longest = new Map<string, number>();
    const waits = new Map<string, number>();
    for (const [name, worst] of Object.entries(WORST_REQUESTS)) {
      if (only !== "" && !only.split(",").includes(name.split("|")[0] ?? "")) continue;
      for (const request of worst({ keys, largeBytes: largeBytes - 1024 })) {
        if (request.title === REFILL) {
          await this.#fill();
          continue;
        }
        for (const [to, port] of [["node", this.#ports[0]], ["proxy", this.#ports[1]]] as const) {
          let best: Pauses | null = null;
          for (let round = 0; round < rounds; round++) {
            const pauses = await this.#measure(port ?? 0, request);
            if (best === null || sumOf(pauses) < sumOf(best)) best = pauses;
            if (sumOf(pauses) === 0) break;
          }
          if (best === null) continue;
          const { node, proxy, idle, ping } = best;
          const row = [name, request.title, to, node, proxy, idle, ping];
          if (node + proxy > 0) console.log(`| ${row.join(" | ")} |`);
          const title = `${request.title} to the ${to}`;
          longest.set(title, Math.max(node, proxy));
          waits.set(title, ping);
        }
      }
    }
    const tooLong = [...longest].filter(([, ms]) => ms > pauseMsMax);
    console.log(`\n${longest.size} measured; longer than ${pauseMsMax} ms: ${tooLong.length}`);
    for (const [title, ms] of tooLong.sort(([, a], [, b]) => b - a)) {
      console.log(`- ${title}: ${ms}`);
    }
    console.log("Meanwhile a PING of another client waited longest beside:");
    const longestWaits = [...waits].sort(([, a], [, b]) => b - a).slice(0, WAITS_SHOWN);
    for (const [title, ms] of longestWaits) console.log(`- ${title}: ${ms}`);
    return tooLong.length === 0 ? 0 : 1;
  }

  stop(): void {
    void this.#pinging?.stop();
    void this.#proxy.stop();
    void this.#node.stop();
  }

  async #isServing(): Promise<boolean> {
    try {
      for (const port of this.#ports) {
        const { texts } = await ask(port, [["SET", "probe", "1"]], true);
        if (!texts[0]?.startsWith("+OK")) return false;
      }
      return true;
    } catch {
      return false;
    }
  }

  async #fill(): Promise<void> {
    const { keys } = this.#values;
    await ask(this.#ports[0] ?? 0, [["FLUSHALL"]]);
    for (let from = 0; from < keys; from += 20 * FILL_PIPELINE) {
      const count = Math.min(20 * FILL_PIPELINE, keys - from);
      const requests = Array.from({ length: count }, (_, at) => ["SET", `key:${from + at}`, VALUE]);
      await ask(this.#ports[0] ?? 0, requests);
    }
    await settle();
  }

  async #measure(port: number, { before = [], requests }: WorstRequest): Promise<Pauses> {
    if (before.length > 0) await ask(this.#ports[0] ?? 0, before);
    await settle();
    const longest = (watched: Watched | null) => watched?.takePauses()[0] ?? 0;
    const takeAll = (): Pauses => ({
      node: longest(this.#node),
      proxy: longest(this.#proxy),
      idle: longest(this.#idle),
      ping: longest(this.#pinging),
    });
    takeAll();
    await ask(port, requests);
    await settle();
    return takeAll();
  }
}

function sumOf({ node, proxy }: Pauses): number {
  return node + proxy;
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, AFTERWARDS_MS));
}

/**
 * Sends requests and waits for all replies. A request of one word with spaces is sent inline.
 *
 * @param isKept whether to return the replies
 */
function ask(
  port: number,
  requests: readonly (readonly string[])[],
  isKept = false,
): Promise<{ texts: string[] }> {
  return new Promise((resolve, reject) => {
    if (requests.length === 0) return resolve({ texts: [] });
    const socket = net.connect({ host: "127.0.0.1", port });
    const scanner = new ReplyScanner();
    const texts: string[] = [];
    let missing = requests.length;
    const timer = setTimeout(() => socket.destroy(new Error("no answer")), LONG_MS);
    socket.on("connect", () => {
      for (let from = 0; from < requests.length; from += FILL_PIPELINE) {
        const some = requests.slice(from, from + FILL_PIPELINE);
        socket.write(some.map(onTheWire).join(""), "latin1");
      }
    });
    socket.on("data", (chunk: Uint8Array) => {
      scanner.push(chunk);
      for (let next = scanner.next(); next.kind !== "incomplete"; next = scanner.next()) {
        if (next.kind === "invalid") return socket.destroy(new Error(next.error));
        if (isKept) texts.push(next.text);
        if (--missing === 0) {
          clearTimeout(timer);
          socket.destroy();
          return resolve({ texts });
        }
      }
    });
    socket.on("error", reject);
    socket.on("close", () => {
      clearTimeout(timer);
      resolve({ texts });
    });
  });
}

function onTheWire(request: readonly string[]): string {
  const [first = ""] = request;
  return request.length === 1 && first.includes(" ") ? `${first}\r\n` : encodeRequest(request);
}

await runTask({
  name: "bench:pauses",
  about: "Measures how long the worst requests of each command block the event loops.",
  flags,
  run,
});
