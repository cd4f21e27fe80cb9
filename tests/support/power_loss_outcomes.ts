import { RECORD_HEADER_BYTES } from "../../src/node/log/record.ts";
import type { FaultDisk } from "./fault_disk.ts";
import { FaultFile } from "./fault_file.ts";
import {
  EVERYTHING_LOST,
  type FileChange,
  type FileWrite,
  type PowerLoss,
  sectorsOf,
} from "./power_loss.ts";

/** Runs with more combinations of whole changes are rejected: make them shorter. */
const COMBINATIONS_MAX = 1 << 15;

/** One possible outcome of a loss of power. */
export interface Outcome {
  /** For messages. */
  readonly name: string;
  readonly loss: PowerLoss;
}

/** The surviving changes of one file. */
interface FileOutcome {
  readonly name: string;
  readonly survivors: readonly FileChange[];
}

/**
 * What a loss of power may leave of a disk, after `PowerLoss`, without those outcomes that make the
 * same files:
 *
 * - every combination of whole changes: each unsynced write, truncation and change of names kept or
 *   lost, all files and names together
 * - each unsynced write done in part, one at a time, with all other changes of content kept, or all
 *   lost, or those before it kept and those after it lost, or the other way round; together with
 *   every combination of changes of names. In part: up to any byte in the last write of a file; in
 *   earlier ones up to the borders of records and of their headers and next to them; only one
 *   sector; all but one sector; only the size
 *
 * Not among them: two writes done in part at the same time, other sets of sectors.
 *
 * @throws {RangeError} when there are too many combinations to try them all
 */
export function* outcomesOf(disk: FaultDisk): Generator<Outcome> {
  yield* combinationsOf(disk);
  yield* tornOutcomesOf(disk);
}

/** Outcomes in which each change is kept or lost as a whole. */
export function* combinationsOf(disk: FaultDisk): Generator<Outcome> {
  const { files, nameCount } = disk.unsynced();
  const whole = [...files].map(([file, path]) => [file, wholeOutcomes(file, path)] as const);
  const count = whole.reduce((count, [, choices]) => count * choices.length, 2 ** nameCount);
  if (count > COMBINATIONS_MAX) {
    throw new RangeError(`Cannot try all outcomes of a loss of power: their number is ${count}`);
  }
  for (let names = 0; names < 2 ** nameCount; names++) {
    for (const chosen of product(whole)) yield outcome(chosen, names);
  }
}

/** Outcomes in which one write is done in part. */
function* tornOutcomesOf(disk: FaultDisk): Generator<Outcome> {
  const { files, nameCount } = disk.unsynced();
  for (const [torn, path] of files) {
    const parts = tornOutcomes(torn, path);
    const others = [...files.keys()].filter((file) => file !== torn);
    const kept = others.map((file) => [file, keptOutcome(file)] as const);
    for (let names = 0; names < 2 ** nameCount; names++) {
      for (const part of parts) {
        yield outcome(new Map([[torn, part]]), names);
        if (others.length > 0) yield outcome(new Map([...kept, [torn, part]]), names);
      }
    }
  }
}

function outcome(chosen: ReadonlyMap<FaultFile, FileOutcome>, names: number): Outcome {
  const parts = [...chosen.values()].map(({ name }) => name);
  return {
    name: [...parts, `names ${names.toString(2)}`].join(", "),
    loss: {
      survivors: (file) => chosen.get(file)?.survivors ?? [],
      names: () => (position) => (names >> position & 1) === 1,
    },
  };
}

function* product(
  choices: readonly (readonly [FaultFile, readonly FileOutcome[]])[],
): Generator<ReadonlyMap<FaultFile, FileOutcome>> {
  const [first, ...rest] = choices;
  if (first === undefined) return yield new Map();
  for (const others of product(rest)) {
    for (const choice of first[1]) yield new Map([...others, [first[0], choice]]);
  }
}

const keptOutcome = (file: FaultFile) => ({ name: "kept", survivors: file.unsynced });

/** Every subset of a file's changes. */
function wholeOutcomes(file: FaultFile, path: string): FileOutcome[] {
  const changes = file.unsynced;
  if (2 ** changes.length > COMBINATIONS_MAX) {
    throw new RangeError(`Cannot try all subsets of ${changes.length} changes of ${path}`);
  }
  const outcomes = Array.from({ length: 2 ** changes.length }, (_, kept) => ({
    name: `${path} ${kept.toString(2).padStart(changes.length, "0")}`,
    survivors: changes.filter((_, position) => (kept >> position & 1) === 1),
  }));
  return withoutRepeats(file, outcomes);
}

function tornOutcomes(file: FaultFile, path: string): FileOutcome[] {
  const outcomes: FileOutcome[] = [];
  const changes = file.unsynced;
  const last = changes.findLastIndex((change) => isOfRecords(change));
  for (const [position, change] of changes.entries()) {
    if (change.kind !== "write") continue;
    const before = changes.slice(0, position);
    const after = changes.slice(position + 1);
    for (const [name, part] of partsOf(change, position === last)) {
      const named = `${path} write ${position + 1} of ${changes.length} ${name}`;
      outcomes.push(
        { name: `${named}, others kept`, survivors: [...before, ...part, ...after] },
        { name: `${named}, others lost`, survivors: part },
        { name: `${named}, later lost`, survivors: [...before, ...part] },
        { name: `${named}, earlier lost`, survivors: [...part, ...after] },
      );
    }
  }
  return withoutRepeats(file, outcomes);
}

function isOfRecords(change: FileChange): boolean {
  return change.kind === "write" && change.bytes.some((byte) => byte !== 0);
}

/** The possible partial results of a write. */
function* partsOf(write: FileWrite, atEachByte: boolean): Generator<[string, FileChange[]]> {
  const { kind, offset, bytes } = write;
  const lengths = atEachByte ? bytes.keys() : tellingLengths(bytes);
  for (const length of lengths) {
    yield [`up to ${length}`, [{ kind, offset, bytes: bytes.subarray(0, length) }]];
  }
  yield ["only its size", [{ kind: "extend", sizeBytes: offset + bytes.length }]];
  const sectors = sectorsOf(write);
  if (sectors.length === 1) return;
  for (const [number, sector] of sectors.entries()) {
    yield [`only sector ${number}`, [sector]];
    yield [`without sector ${number}`, sectors.filter((other) => other !== sector)];
  }
}

/** Lengths at and next to the borders of records and of their headers. */
function tellingLengths(bytes: Uint8Array): number[] {
  const lengths = new Set<number>([1, bytes.length - 1]);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + RECORD_HEADER_BYTES < bytes.length;) {
    const end = at + RECORD_HEADER_BYTES + view.getUint32(at);
    const around = [at, at + 1, at + 4, at + 7, at + 8, at + 9, (at + end) >> 1, end - 1];
    for (const length of around) lengths.add(length);
    if (view.getUint32(at) === 0) break;
    at = end;
  }
  return [...lengths].filter((length) => length > 0 && length < bytes.length);
}

function withoutRepeats(file: FaultFile, outcomes: readonly FileOutcome[]): FileOutcome[] {
  const byContent = new Map<string, FileOutcome>();
  for (const outcome of outcomes) {
    const loss = { ...EVERYTHING_LOST, survivors: () => outcome.survivors };
    const content = file.afterCrash(loss).text();
    if (!byContent.has(content)) byContent.set(content, outcome);
  }
  return [...byContent.values()];
}

/** Equal for two disks if and only if a reader cannot distinguish them. */
export function imageOf(disk: FaultDisk): string {
  return [...disk.everything()]
    .sort(([one], [other]) => one < other ? -1 : 1)
    .map(([path, file]) => file === null ? `${path}/` : `${path}:${file.sizeBytes}:${file.text()}`)
    .join("\n");
}
