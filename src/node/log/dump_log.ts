import { formatAddress } from "../../base/address.ts";
import { type Arguments, textOf } from "../../base/byte_string.ts";
import { messageOf, UserError } from "../../base/errors.ts";
import type { Disk } from "../../platform/disk.ts";
import type { ClusterConfiguration } from "../members/configuration.ts";
import { decodeEntry, type LogEntry } from "./entry.ts";
import {
  isZeroFrom,
  type LogRecord,
  parseLogRecord,
  payloadAt,
  RECORD_HEADER_BYTES,
} from "./record.ts";
import { LOG_DIRECTORY, parseSegmentFileName } from "./segment.ts";

export interface DumpLogOptions {
  /** Whether to print long values in full. @default false */
  readonly full?: boolean;
}

/** Longer arguments are cut to this many characters, unless `full` is set. */
const ARGUMENT_CHARACTERS_MAX = 64;

/**
 * Prints a log as text, in the order of writing: a line for each entry, each change of term or
 * vote, and each segment. It changes nothing and needs no lock. Whatever cannot be read gets a line
 * that starts with `error:`. After a damaged record, the next segment follows.
 *
 * @throws {UserError} when there is no log
 */
export function* dumpLog(disk: Disk, options: DumpLogOptions = {}): Generator<string> {
  const names = disk.list(LOG_DIRECTORY).filter((name) => parseSegmentFileName(name) !== null);
  if (names.length === 0) throw new UserError(`Cannot read ${disk.root}: there is no log`);
  let lastIndex = 0;
  for (const name of names) {
    const bytes = disk.read(`${LOG_DIRECTORY}/${name}`) ?? new Uint8Array(0);
    let offset = 0;
    for (let payload = payloadAt(bytes, 0); payload !== null; payload = payloadAt(bytes, offset)) {
      const record = parseLogRecord(payload);
      const isEntry = record?.kind === "entry";
      const line = isEntry
        ? entryLine(payload, lastIndex, options.full ?? false)
        : recordLine(name, record);
      if (isEntry) lastIndex = record.index;
      if (record?.kind === "header") {
        const before = record.header.first - 1;
        lastIndex = record.header.afterSnapshot ? before : Math.min(lastIndex, before);
      }
      if (line !== null) yield line.replace(/^error:/, `error: ${name} at byte ${offset}:`);
      offset += RECORD_HEADER_BYTES + payload.length;
    }
    if (!isZeroFrom(bytes, offset)) {
      yield `error: ${name} at byte ${offset}: a damaged or unfinished record`;
    }
  }
}

function recordLine(name: string, record: LogRecord | null): string | null {
  switch (record?.kind) {
    case "header": {
      const { cluster, node, first, afterSnapshot, previousTerm, term, vote } = record.header;
      const origin = afterSnapshot
        ? ` (a snapshot up to entry ${first - 1} of term ${previousTerm} replaced the log)`
        : "";
      return `segment ${name} of node ${node} in cluster ${cluster}, from entry ${first}${origin}, ` +
        `term ${term}, vote ${vote ?? "none"}`;
    }
    case "hardState":
      return `term ${record.hardState.term}, vote ${record.hardState.vote ?? "none"}`;
    case "synced":
      return null;
    case "otherFormat":
      return `error: format ${JSON.stringify(record.format)}, written by another version`;
    default:
      return "error: a record of a kind that this version does not know";
  }
}

function entryLine(payload: Uint8Array, lastIndex: number, full: boolean): string {
  let entry: LogEntry;
  try {
    entry = decodeEntry(payload);
  } catch (error) {
    return `error: ${messageOf(error)}`;
  }
  const { index, term, data } = entry;
  const cut = index <= lastIndex ? ` (in place of ${index} to ${lastIndex})` : "";
  const head = `entry ${index} term ${term}${cut}`;
  if (data === null) return `${head} no-op`;
  if (data.configuration !== null) {
    return `${head} ${timeText(data.timeMs)} ${configurationText(data.configuration)}`;
  }
  if (data.machineVersion !== null) {
    return `${head} ${timeText(data.timeMs)} state machine version ${data.machineVersion}`;
  }
  const commands = data.commands.map((command) =>
    command.map((argument) => quote(withoutHash(command, textOf(argument)), full)).join(" ")
  );
  return `${head} ${timeText(data.timeMs)} ${commands.join("; ") || "time only"}`;
}

/** A rule of a user without the hash of its password, which is of no use to who reads a log. */
function withoutHash([name]: Arguments, argument: string): string {
  if (name !== "USER-RULES") return argument;
  return argument.replace(/^([#!]scrypt\$[0-9]+\$[0-9]+\$[0-9]+\$).*/s, "$1***");
}

function configurationText({ members, removed }: ClusterConfiguration): string {
  const texts = members.map(({ id, raftAddress, isLearner }) =>
    `${id}=${formatAddress(raftAddress)}${isLearner ? " (learner)" : ""}`
  );
  const gone = removed.length === 0 ? "" : `; removed: ${removed.join(", ")}`;
  return oneLine(`members: ${texts.join(", ")}${gone}`);
}

/** Other nodes wrote this text. Whatever it contains, it must stay one line. */
function oneLine(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, "?");
}

function timeText(timeMs: number): string {
  const TIME_MS_MAX = 8.64e15;
  return timeMs <= TIME_MS_MAX ? new Date(timeMs).toISOString() : `${timeMs} ms`;
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["\\", "\\\\"],
  ['"', '\\"'],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
  ["\x07", "\\a"],
  ["\b", "\\b"],
]);

/** Quotes a string as `redis-cli` does. */
function quote(argument: string, full: boolean): string {
  const isLong = !full && argument.length > ARGUMENT_CHARACTERS_MAX;
  const shown = isLong ? argument.slice(0, ARGUMENT_CHARACTERS_MAX) : argument;
  const escaped = shown.replace(
    /[^ !#-[\]-~]/g,
    (character) =>
      ESCAPES.get(character) ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
  return isLong ? `"${escaped}"... (${argument.length} bytes)` : `"${escaped}"`;
}
