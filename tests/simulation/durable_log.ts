import type { HardState } from "../../src/raft/types.ts";
import { parseLogRecord } from "../../src/node/log/log_record.ts";
import { payloadAt, RECORD_HEADER_BYTES } from "../../src/node/log/record.ts";
import { parseSegmentFileName } from "../../src/node/log/segment.ts";
import type { FaultDisk } from "../support/fault_disk.ts";

const LOG_PREFIX = "log/";

interface ReadSegment {
  readonly sequence: number;
  readonly path: string;
  version: number;
  offset: number;
}

/** What of a node's log would survive a loss of power now: read from the durable bytes alone. */
export class DurableLog {
  readonly #disk: FaultDisk;
  hardState: HardState = { term: 0, vote: null };
  /** Of the entry with index i at i - 1. */
  readonly #terms: number[] = [];
  #segments: ReadSegment[] = [];
  #namesVersion = -1;

  constructor(disk: FaultDisk) {
    this.#disk = disk;
  }

  get lastIndex(): number {
    return this.#terms.length;
  }

  /** 0 when no such entry is durable. */
  termAt(index: number): number {
    return this.#terms[index - 1] ?? 0;
  }

  /** Takes in what has become durable lately. */
  refresh(): void {
    if (this.#disk.durableNamesVersion !== this.#namesVersion) this.#findSegments();
    const last = this.#segments.length - 1;
    // Whatever is made durable in older segments was covered when the next one began.
    for (let at = Math.max(0, last - 1); at <= last; at++) {
      const segment = this.#segments[at];
      if (segment !== undefined) this.#read(segment);
    }
  }

  #findSegments(): void {
    this.#namesVersion = this.#disk.durableNamesVersion;
    for (const path of this.#disk.durablePaths()) {
      if (!path.startsWith(LOG_PREFIX)) continue;
      const name = parseSegmentFileName(path.slice(LOG_PREFIX.length));
      if (name === null || this.#segments.some((known) => known.path === path)) continue;
      this.#segments.push({ sequence: name.sequence, path, version: -1, offset: 0 });
    }
    this.#segments.sort((left, right) => left.sequence - right.sequence);
    for (const segment of this.#segments) this.#read(segment);
  }

  #read(segment: ReadSegment): void {
    const file = this.#disk.durableFile(segment.path);
    if (file === null || file.durableVersion === segment.version) return;
    segment.version = file.durableVersion;
    const bytes = file.durableBytes();
    for (;;) {
      const payload = payloadAt(bytes, segment.offset);
      if (payload === null) return;
      this.#take(payload);
      segment.offset += RECORD_HEADER_BYTES + payload.length;
    }
  }

  #take(payload: Uint8Array): void {
    const record = parseLogRecord(payload);
    if (record?.kind === "header") {
      this.hardState = { term: record.header.term, vote: record.header.vote };
    } else if (record?.kind === "hardState") {
      this.hardState = record.hardState;
    } else if (record?.kind === "entry" && record.index <= this.#terms.length + 1) {
      this.#terms.length = record.index - 1;
      this.#terms.push(record.term);
    }
  }
}
