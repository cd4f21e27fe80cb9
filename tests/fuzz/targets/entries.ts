import { assert, assertEquals } from "@std/assert";
import { latin1, latin1Bytes } from "../../../src/base/bytes.ts";
import { type Random, randomInteger } from "../../../src/base/random.ts";
import {
  Batch,
  decodeEntry,
  encodeEntry,
  EntryFormatError,
  type LogEntry,
} from "../../../src/node/log/entry.ts";
import { parseLogRecord } from "../../../src/node/log/record.ts";
import type { ClusterConfiguration } from "../../../src/node/members/configuration.ts";
import { CommandGenerator } from "../../differential/command_generator.ts";
import type { FuzzTarget } from "../fuzz_target.ts";

/** An entry's bytes, one character for each. */
export function entryText(entry: LogEntry): string {
  const bytes = encodeEntry(entry);
  return latin1(bytes, 0, bytes.length);
}

/** An entry as a leader creates it. */
export function randomEntry(random: Random, index: number, term: number): LogEntry {
  if (random() < 0.1) return { index, term, data: null, sizeBytes: 64 };
  const commands = new CommandGenerator(random);
  const count = randomInteger(random, 4);
  const timeMs = 1_700_000_000_000 + randomInteger(random, 1_000_000);
  if (random() < 0.1) {
    const data = new Batch(timeMs, [], randomConfiguration(random));
    return { index, term, data, sizeBytes: 64 };
  }
  if (random() < 0.1) {
    const data = new Batch(timeMs, [], null, 1 + randomInteger(random, 3));
    return { index, term, data, sizeBytes: 64 };
  }
  const data = new Batch(timeMs, Array.from({ length: count }, () => commands.next().args));
  return { index, term, data, sizeBytes: 64 };
}

function randomConfiguration(random: Random): ClusterConfiguration {
  const ids = Array.from({ length: 1 + randomInteger(random, 5) }, (_, at) => `n${at}`);
  const raftAddress = { host: "127.0.0.1", port: 17001 };
  const voter = randomInteger(random, ids.length);
  const members = ids.map((id, at) => (
    { id, raftAddress, isLearner: at !== voter && random() < 0.3 }
  ));
  return { members, removed: random() < 0.5 ? [] : ["gone"] };
}

/** The decoder of entries from the log's files and from other nodes. */
export const entries: FuzzTarget = {
  name: "entries",
  words: [
    ...[
      "\x01",
      "\x02",
      "\x03",
      "\0\0\0\0\0\0\0\x01",
      "\0\x1f\xff\xff\xff\xff\xff\xff",
      "\0\x20\0\0\0\0\0\0",
    ],
    ...["\x80", "\x80\0", "\xff\xff\xff\x7f", "\x01\x01\x03DEL", "\xff".repeat(8), "\xef\xbb\xbf"],
    ...[
      '{"members":[],"removed":[]}',
      ',"__proto__":{}',
      "\\u0100",
      "[]",
      "{}",
      "null",
      "true",
      " ",
    ],
  ],
  sample: (random) =>
    entryText(randomEntry(random, 1 + randomInteger(random, 200), 1 + randomInteger(random, 20))),
  run(input) {
    const bytes = latin1Bytes(input);
    let entry: LogEntry;
    try {
      entry = decodeEntry(bytes);
    } catch (error) {
      assert(error instanceof EntryFormatError, `${error}`);
      assert(error.message.length < 300, "an error repeats too much of its input");
      return;
    }
    const { index, term, data } = entry;
    // The same bytes go into the log, where index and term are read without parsing the rest.
    assertEquals(parseLogRecord(bytes), {
      kind: "entry",
      index,
      term,
      isConfiguration: (data?.configuration ?? null) !== null,
      machineVersion: data?.machineVersion ?? null,
    });
    assertEquals(new Uint8Array(encodeEntry(entry)), new Uint8Array(bytesKept(entry, bytes)));
    const copy = {
      ...entry,
      data: data &&
        new Batch(data.timeMs, data.commands, data.configuration, data.machineVersion),
    };
    const again = decodeEntry(encodeEntry(copy));
    const { timeMs, commands, configuration } = again.data ?? {};
    assertEquals(
      [again.index, again.term, timeMs, commands, configuration],
      [index, term, data?.timeMs, data?.commands, data?.configuration],
    );
  },
};

/** A no-op has nothing that could keep its bytes alive. */
function bytesKept(entry: LogEntry, bytes: Uint8Array): Uint8Array {
  return entry.data === null ? encodeEntry(entry) : bytes;
}
