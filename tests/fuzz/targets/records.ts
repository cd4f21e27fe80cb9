import { assert, assertEquals } from "@std/assert";
import { latin1, latin1Bytes } from "../../../src/base/bytes.ts";
import { type Random, randomInteger } from "../../../src/base/random.ts";
import {
  encodeHardState,
  encodeSegmentHeader,
  encodeSynced,
  LOG_FORMAT,
  parseLogRecord,
  RecordWriter,
  scanRecords,
} from "../../../src/node/log/record.ts";
import { readSyncedPosition } from "../../../src/node/log/synced_mark.ts";
import type { FuzzTarget } from "../fuzz_target.ts";
import { entryText, randomEntry } from "./entries.ts";

/** The payload of a record, of any kind. */
export function payloadText(random: Random): string {
  const text = (bytes: Uint8Array) => latin1(bytes, 0, bytes.length);
  const count = () => randomInteger(random, 20);
  switch (randomInteger(random, 5)) {
    case 0:
      return text(encodeSegmentHeader({
        format: LOG_FORMAT,
        cluster: "c1",
        node: "n1",
        nonce: "nonce",
        segment: 1,
        first: 1,
        afterSnapshot: random() < 0.5,
        previousTerm: 0,
        previousBytes: 0,
        term: count(),
        vote: null,
      }));
    case 1:
      return text(encodeHardState({ term: count(), vote: random() < 0.5 ? null : "n2" }));
    case 2:
      return text(encodeSynced(count(), random() < 0.9 ? "nonce" : "other"));
    case 3:
      return `{"segment":${count()},"synced":${count()}}`;
    default:
      return entryText(randomEntry(random, 1 + count(), 1 + count()));
  }
}

/** Records around these payloads, with valid checksums. */
export function sealed(payloads: readonly string[]): string {
  const writer = new RecordWriter();
  for (const payload of payloads) if (payload !== "") writer.add(latin1Bytes(payload));
  const bytes = writer.bytes();
  return latin1(bytes, 0, bytes.length);
}

/** The decoded records, the records found among other bytes, and the mark of the last sync. */
export const records: FuzzTarget = {
  name: "records",
  words: ["null", "true", "[]", "{}", '"term":', '"vote":', '"format":2', '"synced":', "{", "}"],
  sample: payloadText,
  run(input) {
    const bytes = latin1Bytes(input);
    const record = parseLogRecord(bytes);
    if (record?.kind === "entry") assert(record.index > 0 && record.term > 0);
    scanRecords(bytes, () => {});
    readSyncedPosition(bytes);
    if (input === "") return;
    const written = latin1Bytes(sealed([input, input]));
    const payloads: string[] = [];
    scanRecords(written, (payload) => payloads.push(latin1(payload, 0, payload.length)));
    assertEquals(payloads, [input, input]);
    readSyncedPosition(written);
  },
};
