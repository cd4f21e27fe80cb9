import { latin1 } from "../../src/base/bytes.ts";
import type { FileChange, PowerLoss } from "./power_loss.ts";

/**
 * A file of `FaultDisk`: the content that a reader sees, the durable content, and the changes
 * between.
 */
export class FaultFile {
  #content: GrowingBytes;
  #durable: GrowingBytes;
  /** Changes that are not durable yet, oldest first. */
  #pending: FileChange[] = [];
  /** Grows whenever more becomes durable. */
  durableVersion = 0;

  /** @param content durable from the start */
  constructor(content: Uint8Array | GrowingBytes) {
    this.#durable = content instanceof GrowingBytes ? content : new GrowingBytes(content.slice());
    this.#content = this.#durable.clone();
  }

  get sizeBytes(): number {
    return this.#content.length;
  }

  /** Changes that no sync has covered, oldest first. */
  get unsynced(): readonly FileChange[] {
    return this.#pending;
  }

  /** The bytes that would survive a power failure now. Read them at once. */
  durableBytes(): Uint8Array {
    return this.#durable.view();
  }

  /** What a reader sees, as a byte string. */
  text(): string {
    return this.#content.text();
  }

  /** A copy of the content that a reader sees. */
  content(): Uint8Array {
    return this.#content.copy();
  }

  read(into: Uint8Array, offset: number): void {
    this.#content.read(into, offset);
  }

  write(bytes: Uint8Array, offset: number): void {
    this.#change({ kind: "write", offset, bytes: bytes.slice() });
  }

  truncate(sizeBytes: number): void {
    this.#change({ kind: "truncate", sizeBytes });
  }

  /** Starts a sync of everything written so far. Calling the result ends the sync. */
  beginSync(): () => void {
    const covered = new Set(this.#pending);
    return () => {
      for (const change of this.#pending) {
        if (covered.has(change)) apply(this.#durable, change);
      }
      this.#pending = this.#pending.filter((change) => !covered.has(change));
      this.durableVersion++;
    };
  }

  /** After a failed sync, readers still see bytes that no later sync writes. */
  dropPending(): void {
    this.#pending = [];
  }

  /** @param powerLoss decides which unsynced changes survive; `null`: the power stayed on */
  afterCrash(powerLoss: PowerLoss | null): FaultFile {
    const next = new FaultFile(this.#durable.clone());
    if (powerLoss === null) {
      next.#content = this.#content.clone();
      next.#pending = [...this.#pending];
      return next;
    }
    for (const part of powerLoss.survivors(this)) apply(next.#durable, part);
    next.#content = next.#durable.clone();
    return next;
  }

  #change(change: FileChange): void {
    apply(this.#content, change);
    this.#pending.push(change);
  }
}

function apply(bytes: GrowingBytes, change: FileChange): void {
  if (change.kind === "write") bytes.write(change.bytes, change.offset);
  else if (change.kind === "truncate" || change.sizeBytes > bytes.length) {
    bytes.resize(change.sizeBytes);
  }
}

/**
 * A buffer that grows at its end without being copied each time. Clones share the bytes until one
 * of them changes: most files of most crashed disks never do.
 */
class GrowingBytes {
  #bytes: Uint8Array;
  #isShared = false;
  /** @see text; `null` until it is asked for */
  #text: string | null = null;
  length: number;

  /** @param bytes nobody else changes them */
  constructor(bytes: Uint8Array, length = bytes.length) {
    this.#bytes = bytes;
    this.length = length;
  }

  clone(): GrowingBytes {
    const clone = new GrowingBytes(this.#bytes, this.length);
    this.#isShared = clone.#isShared = true;
    clone.#text = this.#text;
    return clone;
  }

  text(): string {
    return this.#text ??= latin1(this.#bytes, 0, this.length);
  }

  copy(): Uint8Array {
    return this.#bytes.slice(0, this.length);
  }

  view(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  read(into: Uint8Array, offset: number): void {
    if (offset + into.length > this.length) {
      throw new Error(`Cannot read ${into.length} bytes at ${offset}: the file has ${this.length}`);
    }
    into.set(this.#bytes.subarray(offset, offset + into.length));
  }

  write(bytes: Uint8Array, offset: number): void {
    if (offset + bytes.length > this.length) this.resize(offset + bytes.length);
    this.#own();
    this.#text = null;
    this.#bytes.set(bytes, offset);
  }

  resize(length: number): void {
    if (length > this.#bytes.length) {
      this.#moveTo(new Uint8Array(Math.max(length, 2 * this.#bytes.length)));
    } else if (length < this.length) {
      this.#own();
      this.#bytes.fill(0, length, this.length);
    }
    this.length = length;
    this.#text = null;
  }

  /** Leaves the shared bytes to the others. */
  #own(): void {
    if (this.#isShared) this.#moveTo(new Uint8Array(this.#bytes.length));
  }

  #moveTo(bytes: Uint8Array): void {
    bytes.set(this.#bytes.subarray(0, this.length));
    this.#bytes = bytes;
    this.#isShared = false;
  }
}
