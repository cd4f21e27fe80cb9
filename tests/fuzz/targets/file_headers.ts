import { assert, assertEquals } from "@std/assert";
import { type Random, randomInteger } from "../../../src/base/random.ts";
import { secondsOfDate, verdictOf, writeConditionOf } from "../../../src/http/conditions.ts";
import { digestsOf } from "../../../src/http/digests.ts";
import { nameOfPath, pathOfFile } from "../../../src/http/file_name.ts";
import { safeHeaders, typeToKeep } from "../../../src/http/media_type.ts";
import { Problem } from "../../../src/http/problem.ts";
import { RANGES_MAX, rangesOf } from "../../../src/http/ranges.ts";
import { checksumOf, metadataOf } from "../../../src/http/upload_metadata.ts";
import type { FuzzTarget } from "../fuzz_target.ts";

const WORDS = [
  ...'bytes= - , ; : = * / \\ " % \' 0 1 9 10 99999999999999999999 W/ " .. . %2e %00 %FF %C3%A9'
    .split(" "),
  "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
  "md5=:1B2M2Y8AsgTpgAmY7PhCfg==:",
  "filename YS5tcDM=",
  "filetype YXVkaW8vbXBlZw==",
  "sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
  "Sun, 06 Nov 1994 08:49:37 GMT",
  "image/svg+xml",
  "text/html",
  "text/javascript",
  " ",
];
/** Sizes of the content whose ranges are read: empty, small, and as large as any. */
const SIZES = [0, 1, 10, Number.MAX_SAFE_INTEGER];

/** Headers and paths of requests for files: they are refused, or mean what they say. */
export const fileHeaders: FuzzTarget = {
  name: "file-headers",
  words: WORDS,
  sample(random: Random) {
    const count = 1 + randomInteger(random, 12);
    const words = Array.from({ length: count }, () => WORDS[randomInteger(random, WORDS.length)]);
    return (random() < 0.5 ? "bytes=" : "") + words.join("");
  },
  run(input) {
    checkRanges(input);
    checkName(input);
    checkHeaders(input);
  },
};

function checkRanges(input: string): void {
  for (const size of SIZES) {
    const result = rangesOf(input, size);
    if (result.kind !== "ranges") continue;
    const { ranges } = result;
    assert(ranges.length >= 1 && ranges.length <= RANGES_MAX);
    let sent = 0;
    for (const { from, to } of ranges) {
      assert(Number.isSafeInteger(from) && Number.isSafeInteger(to), `${from}-${to}`);
      assert(from >= 0 && from < to && to <= size, `${from}-${to} of ${size}`);
      sent += to - from;
    }
    assert(sent <= size, `${sent} bytes of ${size}`);
  }
}

function checkName(input: string): void {
  const name = refusedOr(() => nameOfPath(input));
  if (name === null) return;
  assertEquals(name, name.normalize("NFC"));
  // deno-lint-ignore no-control-regex
  assert(!/[\x00-\x1f\x7f]/.test(name) && !/(^|\/)\.\.?(\/|$)/.test(name));
  assertEquals(nameOfPath(pathOfFile(name)?.slice("/files/".length) ?? ""), name);
}

function checkHeaders(input: string): void {
  // What no header can have, no request has.
  const value = input.replace(/[\0\r\n]/g, " ").trim();
  for (const header of ["if-match", "if-none-match", "if-modified-since"]) {
    const headers = new Headers({ [header]: value });
    refusedOr(() => verdictOf(headers, { version: 1, modifiedMs: 0 }));
    refusedOr(() => writeConditionOf(headers));
  }
  secondsOfDate(value);
  for (const header of ["repr-digest", "content-digest", "content-md5"]) {
    const digests = refusedOr(() => digestsOf(new Headers({ [header]: value })));
    if (digests === null) continue;
    const { sha256, md5 } = digests;
    assert(sha256 === undefined || /^[0-9a-f]{64}$/.test(sha256));
    assert(md5 === undefined || /^[0-9a-f]{32}$/.test(md5));
    assert(sha256 !== undefined || md5 !== undefined, "a digest was ignored");
  }
  refusedOr(() => metadataOf(value));
  refusedOr(() => checksumOf(value));
  const type = refusedOr(() => typeToKeep(value, "x")) ?? value;
  const safe = new Headers(
    safeHeaders({ name: refusedOr(() => nameOfPath(input)) ?? "x", type }, false),
  );
  const isInline = safe.get("content-disposition")?.startsWith("inline");
  assert(
    !isInline ||
      !/html|xml|script|svg|css/i.test((safe.get("content-type") ?? "").split(";")[0] ?? ""),
  );
}

/** `null` if it is refused. Other errors are failures. */
function refusedOr<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof Problem) return null;
    throw error;
  }
}
