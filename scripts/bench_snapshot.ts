/**
 * Fills a node with keys and measures the cost of snapshots: the longest pauses of the event loop
 * while they are taken, compared with those of an idle process at the same time; the duration of a
 * restart; the size of the data directory. Prints Markdown.
 *
 * deno task bench:snapshot [--keys N] [--rounds N]
 */
import { integer, type Values } from "../src/cli/flags.ts";
import { RespClient } from "../src/cli/resp_client.ts";
import type { Reply } from "../src/resp/reply.ts";
import { freePorts } from "../tests/support/free_ports.ts";
import { withTemporaryDirectory } from "../tests/support/temporary_directory.ts";
import { until } from "../tests/support/until.ts";
import { Watched } from "./bench/pauses.ts";
import { runTask } from "./run_task.ts";

const flags = {
  keys: integer("N", {
    help: "Number of keys, with values of 64 bytes",
    defaultValue: 1_000_000,
    min: 1,
    max: 1e7,
  }),
  rounds: integer("N", {
    help: "Number of times that all keys are overwritten",
    defaultValue: 2,
    min: 0,
    max: 100,
  }),
};

const VALUE_BYTES = 64;
const PIPELINE = 500;
const LONG_MS = 300_000;
const MB = 1e6;

async function run({ keys, rounds }: Values<typeof flags>): Promise<number> {
  await withTemporaryDirectory(async (dir) => {
    const idle = new Watched();
    const bench = new Bench(`${dir}/n1`, idle, await freePorts(2));
    try {
      console.log("| while | s | longest pauses of the node, ms | of an idle process, ms |");
      console.log("| --- | --- | --- | --- |");
      await bench.measure(keys, rounds);
      console.log(`\nLive data: ${((keys * (VALUE_BYTES + 11)) / MB).toFixed(0)} MB`);
      console.log(`Data directory: ${(directoryBytes(`${dir}/n1`) / MB).toFixed(0)} MB`);
      await bench.restart();
    } finally {
      await bench.stop();
      await idle.stop();
    }
  });
  return 0;
}

/** A cluster of one node, with one client. */
class Bench {
  readonly #args: readonly string[];
  readonly #port: number;
  readonly #idle: Watched;
  #node: Watched;
  #client: RespClient | null = null;

  constructor(dir: string, idle: Watched, [port, raftPort]: readonly number[]) {
    if (port === undefined || raftPort === undefined) throw new Error("no free ports");
    const ports = ["--port", String(port), "--raft-port", String(raftPort)];
    this.#args = ["node", "--id", "n1", "--role", "leader", "--dir", dir, ...ports];
    this.#port = port;
    this.#idle = idle;
    this.#node = new Watched(this.#args);
  }

  async measure(keys: number, rounds: number): Promise<void> {
    await this.#connect();
    await this.#phase("filling", () => this.#fill(keys, "x"));
    await this.#phase("a snapshot, nothing else", () => this.#snapshot());
    for (let round = 0; round < rounds; round++) {
      await this.#phase("overwriting", () => this.#fill(keys, String(round)));
    }
    await this.#phase("a snapshot, and overwriting", async () => {
      let isDone = false;
      const writing = (async () => {
        while (!isDone) await this.#fill(Math.min(keys, 10_000), "y");
      })();
      await this.#snapshot();
      isDone = true;
      await writing;
    });
  }

  /** Ends the node and restarts it on its data. */
  async restart(): Promise<void> {
    const before = await this.#ask("DBSIZE");
    this.#client?.close();
    await this.#node.stop();
    const startMs = performance.now();
    this.#node = new Watched(this.#args);
    await this.#connect();
    const seconds = (performance.now() - startMs) / 1000;
    const after = await this.#ask("DBSIZE");
    console.log(`Restart with ${after} of ${before} keys: ${seconds.toFixed(1)} s`);
  }

  async stop(): Promise<void> {
    this.#client?.close();
    await this.#node.stop();
  }

  async #connect(): Promise<void> {
    await until("the node serves", async () => {
      try {
        this.#client = await RespClient.connect({ host: "127.0.0.1", port: this.#port });
        return typeof await this.#ask("DBSIZE") === "number";
      } catch {
        return false;
      }
    }, { timeoutMs: LONG_MS });
  }

  #ask(...args: string[]): Promise<Reply> {
    if (this.#client === null) throw new Error("not connected");
    return this.#client.request(args, LONG_MS);
  }

  async #phase(name: string, work: () => Promise<void>): Promise<void> {
    this.#node.takePauses();
    this.#idle.takePauses();
    const startMs = performance.now();
    await work();
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    const longest = (watched: Watched) => watched.takePauses().slice(0, 5).join(" ");
    console.log(`| ${name} | ${seconds} | ${longest(this.#node)} | ${longest(this.#idle)} |`);
  }

  async #fill(keys: number, tag: string): Promise<void> {
    const value = tag.padEnd(VALUE_BYTES, "x");
    for (let from = 0; from < keys; from += PIPELINE) {
      const count = Math.min(PIPELINE, keys - from);
      const replies = await Promise.all(
        Array.from({ length: count }, (_, at) => this.#ask("SET", `key:${from + at}`, value)),
      );
      const wrong = replies.find((reply) => (reply as { text?: string }).text !== "OK");
      if (wrong !== undefined) throw new Error(`a write was answered ${JSON.stringify(wrong)}`);
    }
  }

  /** Takes one more snapshot, even while another is in progress. */
  async #snapshot(): Promise<void> {
    const before = await this.#persistence("rdb_saves");
    await until("a snapshot has begun", async () => {
      const reply = await this.#ask("BGSAVE");
      return (reply as { text?: string }).text === "Background saving started";
    }, { timeoutMs: LONG_MS });
    await until("the snapshot is taken", async () => {
      return await this.#persistence("rdb_bgsave_in_progress") === 0;
    }, { timeoutMs: LONG_MS });
    const taken = await this.#persistence("rdb_saves") - before;
    if (taken < 1) throw new Error("no snapshot was taken");
  }

  async #persistence(name: string): Promise<number> {
    const info = await this.#ask("INFO", "persistence");
    const text = typeof info === "string" ? info : (info as { text: string }).text;
    return Number(new RegExp(`${name}:([0-9]+)`).exec(text)?.[1]);
  }
}

function directoryBytes(path: string): number {
  let sum = 0;
  for (const { name, isDirectory } of Deno.readDirSync(path)) {
    const inner = `${path}/${name}`;
    sum += isDirectory ? directoryBytes(inner) : Deno.statSync(inner).size;
  }
  return sum;
}

await runTask({
  name: "bench:snapshot",
  about: "Measures what snapshots cost: pauses, the time of a restart, the size of the directory.",
  flags,
  run,
});
