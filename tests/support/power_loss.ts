import { type Random, randomInteger } from "../../src/base/random.ts";
import type { FaultFile } from "./fault_file.ts";

const SECTOR_BYTES = 512;

export interface FileWrite {
  readonly kind: "write";
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** A change of one file's content. */
export type FileChange =
  | FileWrite
  | { readonly kind: "truncate"; readonly sizeBytes: number }
  /** What may be left of a write: the file has at least this size, filled with zeros. */
  | { readonly kind: "extend"; readonly sizeBytes: number };

/**
 * What a loss of power leaves of unsynced changes. Everything that a sync of a file or directory
 * covered stays as it is, and so does every byte that no unsynced write touches. Of the rest any
 * outcome is legal that consists of these:
 *
 * - Changes of a file's content, each by itself, in any combination, whatever their order: it is
 *   kept; it is lost; a write is kept up to any byte; of a write only some sectors of 512 bytes are
 *   kept, a sector whole or not at all. Where a lost write had made the file longer, and a later
 * kept or only the new size is, zeros stand. A sync in flight promises nothing yet.
 * - Changes of names (create, rename, remove, make a directory), each by itself, in any combination,
 *   whatever their order: kept or lost. A rename is one change: both names or neither. What lies in
 *   a directory that is lost is lost.
 *
 * A failed sync drops the unsynced changes of its file for good: readers see them until the power
 * fails, and no later sync writes them. Not modelled: sectors that hold neither the old nor the new
 * bytes, disks that lie about a sync, synced data that rots (the tests of damage do that by hand).
 */
export interface PowerLoss {
  /** The surviving changes of a file, in the order in which they are applied. */
  survivors(file: FaultFile): Iterable<FileChange>;
  /** Decides for each of N unsynced changes of names, oldest first, whether it survives. */
  names(count: number): (position: number) => boolean;
}

/** Nothing unsynced survives. */
export const EVERYTHING_LOST: PowerLoss = { survivors: () => [], names: () => () => false };

/** Everything survives. */
export const EVERYTHING_KEPT: PowerLoss = {
  survivors: ({ unsynced }) => unsynced,
  names: () => () => true,
};

/** Chooses at random among the legal outcomes, except those that keep a size without the bytes. */
export function randomPowerLoss(random: Random): PowerLoss {
  return {
    *survivors({ unsynced }) {
      for (const change of unsynced) yield* randomSurvivors(change, random);
    },
    names: (count) => {
      // A journal keeps the order of such changes; not every file system has one.
      const isOrdered = randomInteger(random, 2) === 0;
      const keptCount = randomInteger(random, count + 1);
      return (position) => isOrdered ? position < keptCount : randomInteger(random, 2) === 0;
    },
  };
}

function randomSurvivors(change: FileChange, random: Random): FileChange[] {
  const fate = randomInteger(random, 4);
  if (fate === 0) return [];
  if (fate === 1 || change.kind !== "write") return [change];
  const { kind, offset, bytes } = change;
  if (fate === 2) {
    return [{ kind, offset, bytes: bytes.subarray(0, randomInteger(random, bytes.length + 1)) }];
  }
  return sectorsOf(change).filter(() => randomInteger(random, 2) === 0);
}

/** A write's parts, none of which crosses a sector's border. */
export function sectorsOf({ kind, offset, bytes }: FileWrite): FileWrite[] {
  const sectors: FileWrite[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + SECTOR_BYTES - (offset + at) % SECTOR_BYTES);
    sectors.push({ kind, offset: offset + at, bytes: bytes.subarray(at, end) });
    at = end;
  }
  return sectors;
}
