import type { Arguments } from "../../../src/base/byte_string.ts";
import type { BlobPeers, BlobStorage, BlobWriter } from "../../../src/files/blobs.ts";
import { FileError } from "../../../src/files/file_error.ts";
import { FileMetadata } from "../../../src/files/file_metadata.ts";
import { LayoutCache } from "../../../src/files/layout.ts";
import type { Clock } from "../../../src/platform/clock.ts";
import { ErrorReply, type Reply } from "../../../src/resp/reply.ts";
import { FilesWorld } from "./files_world.ts";
import { MemoryBlobs, MemoryDisk } from "./memory_blobs.ts";

/** How a holder misbehaves. */
export interface Misbehaviour {
  /** Takes nothing. */
  refuses?: FileError;
  /** Fails after so many bytes of a transfer. */
  failsAfter?: number;
  /** Does not answer any more after so many bytes of a transfer. */
  hangsAfter?: number;
  /** Flips a byte on the way. */
  corrupts?: boolean;
  /** Takes so long to finish, in milliseconds. */
  finishMs?: number;
}

const STEP_MS = 1;

/** Nodes that hold blobs without repairing anything, in a simulated time. */
export class Holders implements BlobPeers {
  readonly world = new FilesWorld(1);
  readonly disks = new Map<string, MemoryDisk>();
  readonly behaviour = new Map<string, Misbehaviour>();
  /** Answers a command instead of the log. */
  intercept: (args: Arguments) => Reply | undefined = () => undefined;
  /** The subcommands sent, in order. */
  readonly commands: string[] = [];
  /** The ids of the nodes that were pulled from, in order. */
  readonly pulls: string[] = [];
  openPulls = 0;
  readonly metadata = new FileMetadata((args) => this.#send(args));
  readonly clock: Clock = {
    nowMs: () => this.world.nowMs,
    monotonicMs: () => this.world.scheduler.nowMs,
    after: (delayMs, run) => {
      let isCancelled = false;
      this.world.scheduler.after(delayMs, () => isCancelled || run());
      return () => isCancelled = true;
    },
    soon: (run) => this.clock.after(0, run),
  };
  readonly layout = new LayoutCache(this.metadata, this.clock);

  constructor(count: number) {
    for (let at = 1; at <= count; at++) {
      this.disks.set(`n${at}`, new MemoryDisk());
      this.announce(`n${at}`);
    }
  }

  announce(id: string): void {
    const address = `10.0.0.1:${7000 + Number(id.slice(1))}`;
    this.world.execute(["FILE", "NODE", id, address, "1", "1000000", "1000000"]);
  }

  disk(id: string): MemoryDisk {
    const disk = this.disks.get(id);
    if (disk === undefined) throw new RangeError(`There is no ${id}`);
    return disk;
  }

  /** The disk of a node as that node uses it. */
  local(id: string): BlobStorage {
    return new Holder(this, id);
  }

  async step(ms = STEP_MS): Promise<void> {
    await new Promise<void>((resolve) => this.world.scheduler.after(ms, resolve));
  }

  /** Runs until the promise is settled, and returns what became of it. */
  async settle<T>(promise: Promise<T>, limitMs = 200_000): Promise<PromiseSettledResult<T>> {
    let result: PromiseSettledResult<T> | null = null;
    Promise.allSettled([promise]).then(([settled]) => result = settled);
    await this.world.run(this.world.scheduler.nowMs + limitMs, () => result !== null);
    if (result === null) throw new Error(`Nothing has come after ${limitMs} ms`);
    return result;
  }

  async result<T>(promise: Promise<T>): Promise<T> {
    const result = await this.settle(promise);
    if (result.status === "rejected") throw result.reason;
    return result.value;
  }

  /** The code of the error with which it fails. */
  async failure(promise: Promise<unknown>): Promise<string> {
    const result = await this.settle(promise);
    if (result.status === "fulfilled") return "none";
    return result.reason instanceof FileError ? result.reason.code : String(result.reason);
  }

  async runFor(ms: number): Promise<void> {
    await this.world.run(this.world.scheduler.nowMs + ms);
  }

  push(address: string, id: string, size: number | null): BlobWriter {
    const storage = this.#storage(address);
    const opening = this.step().then(() => storage.create(id, size));
    opening.catch(() => {});
    return {
      ready: async () => void await opening,
      write: async (chunk) => await (await opening).write(chunk),
      finish: async (sha256) => await (await opening).finish(sha256),
      abort: async () => await (await opening).abort(),
    };
  }

  async *pull(
    address: string,
    id: string,
    from: number,
    to: number,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const storage = this.#storage(address);
    this.pulls.push(storage.id);
    this.openPulls++;
    try {
      await this.step();
      yield* storage.read(id, from, to);
    } finally {
      this.openPulls--;
    }
  }

  remove(address: string, id: string): Promise<void> {
    return this.#storage(address).remove(id);
  }

  ping(): Promise<boolean> {
    return Promise.resolve(true);
  }

  #storage(address: string): Holder {
    return new Holder(this, `n${Number(address.split(":")[1]) - 7000}`);
  }

  async #send(args: Arguments): Promise<Reply> {
    await this.step();
    this.commands.push(String(args[1]));
    const reply = this.intercept(args) ?? this.world.execute(args);
    if (reply instanceof ErrorReply) throw reply;
    return reply;
  }
}

class Holder extends MemoryBlobs {
  readonly id: string;
  readonly #holders: Holders;

  constructor(holders: Holders, id: string) {
    super(holders.disk(id), () => holders.step());
    this.#holders = holders;
    this.id = id;
  }

  get #behaviour(): Misbehaviour {
    return this.#holders.behaviour.get(this.id) ?? {};
  }

  override async create(id: string, size: number | null): Promise<BlobWriter> {
    const { refuses, finishMs } = this.#behaviour;
    if (refuses !== undefined) throw refuses;
    const writer = await super.create(id, size);
    let written = 0;
    return {
      write: async (chunk) => {
        written += chunk.length;
        await this.#misbehave(written);
        await writer.write(this.#sent(chunk));
      },
      finish: async (sha256) => {
        await this.#misbehave(written + 1);
        if (finishMs !== undefined) await this.#holders.step(finishMs);
        return await writer.finish(sha256);
      },
      abort: () => writer.abort(),
    };
  }

  override async *read(
    id: string,
    from: number,
    to: number,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let sent = 0;
    for await (const chunk of super.read(id, from, to)) {
      sent += chunk.length;
      await this.#misbehave(sent);
      yield this.#sent(chunk);
    }
  }

  #sent(chunk: Uint8Array): Uint8Array {
    return this.#behaviour.corrupts ? chunk.map((byte) => byte ^ 1) : chunk;
  }

  async #misbehave(bytes: number): Promise<void> {
    const { failsAfter = Infinity, hangsAfter = Infinity } = this.#behaviour;
    if (bytes > failsAfter) throw new FileError("unavailable", "The connection is broken");
    if (bytes > hangsAfter) await new Promise(() => {});
  }
}
