import { assert } from "../../base/assert.ts";
import type { ClusterConfiguration } from "../configuration.ts";
import { configurationFields, parseConfiguration } from "../configuration_codec.ts";
import { Batch, type LogEntry } from "../entry.ts";

/** A no-op's size, and what a batch takes beside its commands. */
const ENTRY_OVERHEAD_BYTES = 64;
const ARGUMENT_OVERHEAD_BYTES = 3;
/** Texts up to this many characters are encoded in one reused buffer. */
const SCRATCH_CHARACTERS_MAX = 1 << 18;

const encoder = new TextEncoder();
// A byte order mark must not vanish: it is no JSON, and the log finds an entry by its first bytes.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
let scratch = new Uint8Array(1 << 14);

/**
 * An entry as UTF-8 JSON, the same in the log file and on the network:
 * `{"index":7,"term":2,"time":1700000000000,"commands":[["SET","k","v"]]}`, and without time and
 * commands for a no-op; a change of members has `configuration` in the place of `commands`. A
 * command's bytes are the code points 0–255 of its strings.
 *
 * Encoded at the first call and kept in the batch; the result must not be changed.
 */
export function encodeEntry(entry: LogEntry): Uint8Array {
  const { index, term, data } = entry;
  const head = entryHead(index, term);
  if (data === null) return encoder.encode(head + "}");
  const kept = data.encodedAs(index, term);
  if (kept !== null) return kept;
  const bytes = data.configuration === null
    ? encodeText(`${head},"time":${data.timeMs},"commands":${JSON.stringify(data.commands)}}`)
    : encoder.encode(configurationHead(head, data.timeMs) + configurationText(data.configuration));
  data.keepEncoded(index, term, bytes);
  return bytes;
}

/**
 * The entry of `encodeEntry`'s bytes, which are copied.
 *
 * @throws {EntryFormatError} when the bytes are anything else
 */
export function decodeEntry(bytes: Uint8Array): LogEntry {
  const text = decoder.decode(bytes);
  const { index, term, time, commands, configuration, fieldCount } = parse(text);
  if (!isCounter(index, 1)) throw wrong("index", index);
  if (!isCounter(term, 1)) throw wrong("term", term);
  // The log finds index and term at this place without parsing the rest: both must read the same.
  const head = entryHead(index, term);
  if (!text.startsWith(head) || !",}".includes(text.charAt(head.length))) {
    throw new EntryFormatError("Cannot decode entry: it does not begin with index and term");
  }
  const isNoOp = fieldCount === 2;
  if (isNoOp) return { index, term, data: null, sizeBytes: bytes.length };
  if (fieldCount !== 4) {
    throw new EntryFormatError(`Cannot decode entry: it has ${fieldCount} fields`);
  }
  if (!isCounter(time, 0)) throw wrong("time", time);
  const batch = configuration === undefined
    ? new Batch(time, checkCommands(commands, text))
    : new Batch(time, [], checkConfiguration(configuration, text, configurationHead(head, time)));
  batch.keepEncoded(index, term, bytes.slice());
  return { index, term, data: batch, sizeBytes: bytes.length };
}

/** About how many bytes the entry of this batch will take, without encoding it. */
export function sizeOfBatch(batch: Batch | null): number {
  let size = ENTRY_OVERHEAD_BYTES;
  if (batch === null) return size;
  if (batch.configuration !== null) return size + configurationText(batch.configuration).length;
  for (const command of batch.commands) {
    size += ARGUMENT_OVERHEAD_BYTES;
    for (const argument of command) size += argument.length + ARGUMENT_OVERHEAD_BYTES;
  }
  return size;
}

/** Bytes that are no entry: damaged, or of something that does not speak our format. */
export class EntryFormatError extends Error {
  override name = "EntryFormatError";
}

function entryHead(index: number, term: number): string {
  return `{"index":${index},"term":${term}`;
}

/** By this beginning the log knows a change of members without decoding each entry. */
function configurationHead(head: string, timeMs: number): string {
  return `${head},"time":${timeMs},"configuration":`;
}

function configurationText(configuration: ClusterConfiguration): string {
  const fields = configurationFields(configuration);
  assert(
    parseConfiguration(fields) !== null,
    "Cannot encode entry: the configuration is malformed",
  );
  return `${JSON.stringify(fields)}}`;
}

function checkConfiguration(value: unknown, text: string, head: string): ClusterConfiguration {
  const configuration = parseConfiguration(value);
  if (configuration === null) throw wrong("configuration", value);
  if (!text.startsWith(head)) {
    throw new EntryFormatError("Cannot decode entry: a configuration is at the wrong place");
  }
  return configuration;
}

function encodeText(text: string): Uint8Array {
  if (text.length > SCRATCH_CHARACTERS_MAX) return encoder.encode(text);
  if (scratch.length < 2 * text.length) scratch = new Uint8Array(4 * text.length);
  const { read, written } = encoder.encodeInto(text, scratch);
  assert(read === text.length, `Cannot encode entry: ${read} of ${text.length} characters fit`);
  return scratch.slice(0, written);
}

interface Fields {
  readonly index: unknown;
  readonly term: unknown;
  readonly time: unknown;
  readonly commands: unknown;
  readonly configuration: unknown;
  readonly fieldCount: number;
}

function parse(text: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new EntryFormatError("Cannot decode entry: it is not JSON", { cause });
  }
  if (typeof value !== "object" || value === null) {
    throw new EntryFormatError("Cannot decode entry: it is no JSON object");
  }
  // Only own properties count, so that a field named `__proto__` lends nothing.
  const own = (name: string) =>
    Object.hasOwn(value, name) ? value[name as keyof object] : undefined;
  return {
    index: own("index"),
    term: own("term"),
    time: own("time"),
    commands: own("commands"),
    configuration: own("configuration"),
    fieldCount: Object.keys(value).length,
  };
}

const ABOVE_255 = /[\u0100-\uffff]/;

function checkCommands(commands: unknown, text: string): readonly (readonly string[])[] {
  if (!Array.isArray(commands)) throw wrong("commands", commands);
  // Characters of the text end up in the strings as they are, unless an escape makes others.
  const mayHoldOthers = ABOVE_255.test(text) || text.includes("\\u");
  for (const command of commands) {
    if (!Array.isArray(command) || command.length === 0) throw wrong("command", command);
    for (const argument of command) {
      if (typeof argument !== "string" || (mayHoldOthers && ABOVE_255.test(argument))) {
        throw wrong("argument", argument);
      }
    }
  }
  return commands;
}

function isCounter(value: unknown, least: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least;
}

function wrong(name: string, value: unknown): EntryFormatError {
  const shown = JSON.stringify(value)?.slice(0, 40);
  return new EntryFormatError(`Cannot decode entry: ${name} is ${shown}`);
}
