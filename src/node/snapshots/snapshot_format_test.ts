import { assert, assertEquals, assertThrows } from "@std/assert";
import { snapshotElsewhere } from "../../../tests/support/snapshots.ts";
import { RecordWriter } from "../log/record.ts";
import {
  parseSnapshotEnd,
  parseSnapshotFileName,
  parseSnapshotHeader,
  SnapshotFileError,
  snapshotFileName,
  SnapshotScanner,
} from "./snapshot_format.ts";

const MIB = 1024 * 1024;

/** The header of a record with this payload length. */
function headOf(payloadBytes: number): Uint8Array {
  const head = new Uint8Array(8);
  new DataView(head.buffer).setUint32(0, payloadBytes);
  return head;
}

function recordOf(payload: Uint8Array): Uint8Array {
  const writer = new RecordWriter();
  writer.add(payload);
  return writer.bytes().slice();
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** The offsets of a file's records, and of its end. */
function recordsOf(bytes: Uint8Array): Uint8Array[] {
  const records: Uint8Array[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let at = 0; at < bytes.length;) {
    const end = at + 8 + view.getUint32(at);
    records.push(bytes.subarray(at, end));
    at = end;
  }
  return records;
}

function scan(bytes: Uint8Array, sizeBytes = bytes.length): void {
  const scanner = new SnapshotScanner(sizeBytes);
  scanner.push(bytes);
  scanner.finish();
}

const refusal = (run: () => void) => assertThrows(run, SnapshotFileError).message;

Deno.test("nothing may follow the end, even if it arrives in one piece with it", () => {
  const { bytes, snapshot } = snapshotElsewhere(9, 2);
  const scanner = new SnapshotScanner(snapshot.sizeBytes);
  scanner.push(bytes);
  assertEquals(scanner.finish().checksum, snapshot.checksum);
  for (const more of [bytes, new Uint8Array(1)]) {
    assertEquals(refusal(() => scanner.push(more)), "there is something after the end");
    assertEquals(
      refusal(() => scan(joined(bytes, more), bytes.length)),
      "there is something after the end",
    );
  }
});

Deno.test("a file is rejected at each length but its own", () => {
  const { bytes } = snapshotElsewhere(9, 2);
  for (let length = 0; length < bytes.length; length++) {
    const cut = bytes.subarray(0, length);
    assert(refusal(() => scan(cut, bytes.length)).endsWith("the file is cut short"), `${length}`);
  }
});

Deno.test("no memory is allocated for a header or an end that claims to be huge", () => {
  const { bytes } = snapshotElsewhere(9, 2);
  const [header] = recordsOf(bytes);
  assert(header !== undefined);
  const pushed = (sizeBytes: number, ...parts: readonly Uint8Array[]) =>
    refusal(() => new SnapshotScanner(sizeBytes).push(joined(...parts)));
  assertEquals(pushed(64 * MIB, headOf(MIB + 1)), "at byte 0 there is no header");
  assertEquals(
    pushed(header.length + 8 + 1025, header, headOf(1025)),
    `at byte ${header.length} there is no end`,
  );
  // A header of the maximum size is waited for.
  new SnapshotScanner(64 * MIB).push(headOf(MIB));
  new SnapshotScanner(header.length + 8 + 1024).push(joined(header, headOf(1024)));
  for (const [length, sizeBytes] of [[0, 100], [93, 100], [2 ** 32 - 1, 2 ** 33]] as const) {
    assertEquals(pushed(sizeBytes, headOf(length)), "at byte 0 is a damaged record");
  }
});

Deno.test("records that are sound singly, and do not match the end, are refused", () => {
  const { bytes } = snapshotElsewhere(9, 2);
  const records = recordsOf(bytes);
  const [header, first, second, third, end] = records;
  assert(records.length === 5 && header && first && second && third && end);
  scan(joined(header, first, second, third, end));
  const other = recordOf(new TextEncoder().encode("x".repeat(first.length - 8)));
  const wrong = [
    [header, first, second, end],
    [header, first, second, third, third, end],
    [header, second, first, third, end],
    [header, other, second, third, end],
    [first, second, third, end],
    [header, first, second, third],
    [header, header, first, second, third, end],
    [end],
    [header],
  ];
  for (const [at, parts] of wrong.entries()) {
    const file = joined(...parts);
    for (const pieceBytes of [1, file.length]) {
      const scanner = new SnapshotScanner(file.length);
      assertThrows(
        () => {
          for (let from = 0; from < file.length; from += pieceBytes) {
            scanner.push(file.subarray(from, from + pieceBytes));
          }
          scanner.finish();
        },
        SnapshotFileError,
        "",
        `wrong file ${at}`,
      );
    }
  }
});

Deno.test("only the name that would be given is the name of a snapshot", () => {
  const name = snapshotFileName({ index: 41, term: 7 });
  assertEquals(parseSnapshotFileName(name), { index: 41, term: 7 });
  const others = [name.replace("-7", "-07"), `${name}~`, name.slice(1), "x.snapshot", ""];
  for (const other of others) assertEquals(parseSnapshotFileName(other), null, other);
});

Deno.test("a header or an end that is no JSON object is refused", () => {
  const { bytes } = snapshotElsewhere(9, 2);
  const records = recordsOf(bytes);
  for (const text of ["[1", "7", "null", '"x"']) {
    const payload = new TextEncoder().encode(text);
    assertEquals(refusal(() => parseSnapshotHeader(payload)), "there is no header");
    assertEquals(parseSnapshotEnd(payload), null);
    const cut = joined(...records.slice(0, -1), recordOf(payload));
    assertThrows(() => scan(cut), SnapshotFileError);
  }
});
