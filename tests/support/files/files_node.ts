import type { BlobPeers, BlobWriter } from "../../../src/files/blobs.ts";
import { FileError } from "../../../src/files/file_error.ts";
import { Files } from "../../../src/files/files.ts";
import type { HealerLimits } from "../../../src/files/healer_limits.ts";
import type { UploadLimits } from "../../../src/files/upload_limits.ts";
import type { Clock } from "../../../src/platform/clock.ts";
import type { FilesWorld } from "./files_world.ts";
import { MemoryBlobs, MemoryDisk } from "./memory_blobs.ts";

/** As in production, but ten times as hasty. */
export const HEALER: Partial<HealerLimits> = {
  repairBytesPerSecond: 100_000,
  scrubBytesPerSecond: 200_000,
  scrubRoundMs: 5_000,
  outGraceMs: 10_000,
  forgetMs: 3_000,
  deadGraceMs: 8_000,
  orphanGraceMs: 25_000,
  unrecordedGraceMs: 5_000,
  pullGraceMs: 500,
  idleSweepMs: 10_000,
  scanMs: 5_000,
};
export const UPLOADS: Partial<UploadLimits> = {
  bufferBytes: 1_024,
  stalledMs: 2_000,
  bodyStalledMs: 4_000,
  finishMs: 3_000,
  deadlineMs: 20_000,
  repeatedMs: 6_000,
  commitMs: 3_000,
};

/** One process: dies with everything that it had begun. */
class Life {
  readonly #world: FilesWorld;
  isAlive = true;
  /** Transfers to other nodes, which notice when this process dies. */
  readonly pushes = new Set<() => void>();

  constructor(world: FilesWorld) {
    this.#world = world;
  }

  readonly clock: Clock = {
    nowMs: () => this.#world.nowMs,
    monotonicMs: () => this.#world.scheduler.nowMs,
    after: (delayMs, run) => {
      let isCancelled = false;
      this.#world.scheduler.after(delayMs, () => {
        if (!isCancelled && this.isAlive) run();
      });
      return () => isCancelled = true;
    },
    soon: (run) => this.clock.after(0, run),
  };

  /** Takes some time. Never ends if the process dies meanwhile. */
  step(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.clock.after(this.#world.random() * delayMs, resolve));
  }

  end(): void {
    this.isAlive = false;
    for (const close of this.pushes) close();
  }
}

/** A node of the cluster: a disk, and now and then a process. */
export class FilesNode {
  readonly id: string;
  readonly address: string;
  readonly disk = new MemoryDisk();
  weight = 1;
  scrubPlace = "";
  readonly #world: FilesWorld;
  #life: Life | null = null;
  files: Files | null = null;

  /** @param number is never used again */
  constructor(world: FilesWorld, number: number) {
    this.#world = world;
    this.id = `n${number}`;
    this.address = `10.0.0.${number}:7000`;
    world.nodes.set(this.id, this);
    world.members.add(this.id);
  }

  get isUp(): boolean {
    return this.#life !== null;
  }

  /** Its storage as another node's request sees it. */
  get storage(): MemoryBlobs | null {
    const life = this.#life;
    return life === null ? null : new MemoryBlobs(this.disk, () => life.step(3));
  }

  start(): void {
    if (this.#life !== null) return;
    const world = this.#world;
    const life = this.#life = new Life(world);
    this.files = new Files({
      ...contextOf(world, life, this.id),
      storage: {
        node: { id: this.id, address: this.address, weight: this.weight },
        local: new MemoryBlobs(this.disk, () => life.step(3)),
        isLeader: () => world.leader === this.id,
        members: () => [...world.members],
        scrubPlace: {
          load: () => Promise.resolve(this.scrubPlace),
          save: (blob) => Promise.resolve(void (this.scrubPlace = blob)),
        },
        limits: HEALER,
      },
    });
    this.files.start();
    world.note(`${this.id} starts`);
  }

  kill(): void {
    if (this.#life === null) return;
    this.#world.note(`${this.id} dies`);
    this.#life.end();
    this.#life = null;
    this.files = null;
    this.disk.crash();
  }

  /** Stops as on SIGTERM. */
  async stop(): Promise<void> {
    await this.files?.stop();
    this.kill();
  }
}

/** The files service of a proxy. */
export function startProxy(world: FilesWorld): Files {
  return new Files({ ...contextOf(world, new Life(world), null), storage: null });
}

function contextOf(world: FilesWorld, life: Life, id: string | null) {
  return {
    send: (args: readonly (string | Uint8Array)[]) =>
      new Promise<never>((resolve) => {
        if (!life.isAlive) return;
        world.send(id, args, (reply) => life.isAlive && resolve(reply as never));
      }),
    peers: new MemoryPeers(world, life, id),
    clock: life.clock,
    logger: {
      info: (line: string) => world.note(`${id}: ${line}`),
      warn: (line: string) => world.note(`${id}: ${line}`),
      error: (line: string) => world.note(`${id}: ${line}`),
    },
    newBlobId: () => Array.from({ length: 32 }, () => world.below(16).toString(16)).join(""),
    uploadLimits: UPLOADS,
    readStalledMs: 2_000,
  };
}

class MemoryPeers implements BlobPeers {
  readonly #world: FilesWorld;
  readonly #life: Life;
  readonly #id: string | null;

  constructor(world: FilesWorld, life: Life, id: string | null) {
    this.#world = world;
    this.#life = life;
    this.#id = id;
  }

  push(address: string, id: string, size: number | null): BlobWriter {
    let writer: BlobWriter | null = null;
    let isBroken = false;
    const breakOff = () => {
      isBroken = true;
      writer?.abort();
    };
    this.#life.pushes.add(breakOff);
    const open = async () => {
      await this.#step(address);
      writer ??= await this.#storage(address).create(id, size);
      if (isBroken) {
        writer.abort();
        throw broken();
      }
      return writer;
    };
    const attempt = async <T>(work: () => Promise<T>): Promise<T> => {
      try {
        return await work();
      } catch (error) {
        breakOff();
        throw error;
      }
    };
    return {
      write: (chunk) => attempt(async () => await (await open()).write(chunk)),
      finish: (sha256) =>
        attempt(async () => {
          const summary = await (await open()).finish(sha256);
          this.#life.pushes.delete(breakOff);
          await this.#step(address); // the answer may be lost
          return summary;
        }),
      abort: () => {
        breakOff();
        return Promise.resolve();
      },
    };
  }

  async *pull(
    address: string,
    id: string,
    from: number,
    to: number,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    await this.#step(address);
    for await (const chunk of this.#storage(address).read(id, from, to)) {
      yield chunk;
      await this.#step(address);
    }
  }

  async remove(address: string, id: string): Promise<void> {
    await this.#step(address);
    await this.#storage(address).remove(id);
  }

  async ping(address: string): Promise<boolean> {
    try {
      await this.#step(address, 0);
      return true;
    } catch {
      return false;
    }
  }

  #storage(address: string): MemoryBlobs {
    const storage = this.#node(address)?.storage;
    if (storage === null || storage === undefined) throw broken();
    return storage;
  }

  #node(address: string): FilesNode | undefined {
    return [...this.#world.nodes.values()].find((node) => node.address === address);
  }

  /** Takes a message's time. Breaks, or hangs, by the faults of the network. */
  async #step(address: string, breakChance = this.#world.breakChance): Promise<void> {
    const world = this.#world;
    await this.#life.step(2);
    const node = this.#node(address);
    const isBroken = node === undefined || !world.isReachable(this.#id, node) ||
      world.random() < breakChance;
    if (!isBroken) return;
    if (world.random() < 0.3) await new Promise(() => {}); // no answer, ever
    throw broken();
  }
}

function broken(): FileError {
  return new FileError("unavailable", "The connection is broken");
}
