import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { listType } from "../../tests/support/store/list_value.ts";
import { textOf } from "../base/byte_string.ts";
import { latin1, writeLatin1 } from "../base/bytes.ts";
import { randomInteger, seededRandom } from "../base/random.ts";
import { DoubleReply, ErrorReply, MapReply, OK, type Reply, VerbatimReply } from "../resp/reply.ts";
import { FileIndex } from "./file_index.ts";
import { Keyspace } from "./keyspace.ts";
import { NO_OWNER, OnceSession, OnceSessions } from "./once_sessions.ts";
import { Settings } from "./settings.ts";
import { PIECE_MARK, SHORT_LENGTH_MAX, SnapshotFormatError } from "./snapshot_items.ts";
import { StateLoader } from "./state_loader.ts";
import { StateSnapshot } from "./state_snapshot.ts";
import { isOfType } from "./values/value.ts";
import type { Entry, TypedValue, ValueType } from "./values/value_type.ts";

/** An item, or `["piece", text]` for a chunk that is one. */
type Item = readonly unknown[];

const SHORT_REPLIES: readonly Reply[] = [
  "text",
  7,
  2n ** 60n,
  null,
  OK,
  new ErrorReply("WRONGTYPE x"),
  new DoubleReply(-0),
  new VerbatimReply("text"),
  ["a", [1, null]],
  new MapReply([["k", 1]]),
];

const REPLIES: readonly Reply[] = [...SHORT_REPLIES, "y".repeat(20_000)];

/** A state with one of everything. */
function someItems(hasLongStrings = true): Item[] {
  const [keyspace, sessions] = [new Keyspace(), new OnceSessions()];
  for (const one of [keyspace, sessions]) one.advanceTime(1000);
  keyspace.set("a\xff\0", "1");
  keyspace.set("__proto__", "");
  keyspace.setDeadline("__proto__", 5000);
  keyspace.set("far", "3");
  keyspace.setDeadline("far", 2n ** 60n);
  if (hasLongStrings) {
    keyspace.set("k".repeat(9000), "v".repeat(70_000));
    keyspace.set("bytes", "\xff\0\n".repeat(30_000));
    keyspace.edit("l".repeat(9000), listType, (list) => {
      for (const item of ["a", "", "b".repeat(9000), "\xff\0", "c".repeat(70_000)]) list.push(item);
    });
  }
  keyspace.edit("list", listType, (list) => list.push("item"));
  keyspace.setDeadline("list", 6000);
  keyspace.set("last", "x");
  const gone = sessions.open(5);
  assert(gone instanceof OnceSession);
  sessions.close(gone.key);
  for (let count = 0; count < 2; count++) {
    const owner = { name: `n1-${count}`, isProxy: count === 1 };
    const session = sessions.open(1000, count === 0 && hasLongStrings ? NO_OWNER : owner);
    assert(session instanceof OnceSession);
    sessions.use(session, 2);
    const replies = hasLongStrings ? REPLIES : SHORT_REPLIES;
    for (const [index, reply] of replies.entries()) sessions.keep(session, 20 - index, reply);
  }
  const snapshot = new StateSnapshot(keyspace, sessions, new Settings(), new FileIndex());
  const items: Item[] = [];
  for (let chunk = snapshot.next(1); chunk !== null; chunk = snapshot.next(1)) {
    if (chunk[0] === PIECE_MARK) {
      items.push(["piece", latin1(chunk, 1, chunk.length)]);
      continue;
    }
    const [item, ...others] = JSON.parse(new TextDecoder().decode(chunk));
    assertEquals(others, []);
    items.push(item);
  }
  return items;
}

function chunkOf(items: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(items));
}

function newLoader(): StateLoader {
  return new StateLoader(undefined, [listType]);
}

/** Loads each item as a chunk of its own. */
function loaded(items: readonly unknown[]): StateLoader {
  const loader = newLoader();
  for (const item of items) loader.push(isPiece(item) ? pieceOf(item[1]) : chunkOf([item]));
  return loader;
}

/** The same, and takes what was built. */
function load(items: readonly unknown[]): void {
  loaded(items).take();
}

function isPiece(item: unknown): item is readonly ["piece", string] {
  return Array.isArray(item) && item.length === 2 && item[0] === "piece" &&
    typeof item[1] === "string" && /^[\0-\xff]*$/.test(item[1]);
}

function pieceOf(text: string): Uint8Array {
  const chunk = new Uint8Array(1 + text.length);
  chunk[0] = PIECE_MARK;
  writeLatin1(chunk, 1, text);
  return chunk;
}

Deno.test("replies of every kind come through", () => {
  const { sessions } = loaded(someItems()).take();
  const kept = REPLIES.map((reply, index): [number, Reply] => [20 - index, reply]).reverse();
  assertEquals(sessions.find("3-1000")?.replies.entries(), kept);
});

Deno.test("replies may come in any order, and are told in the order of their serials", () => {
  const state = ["state", 2, 1000, 0, 0, 1, 1];
  const session = ["session", "1-1000", 1000, 2000, 0, 4097, 3];
  const reply = (serial: number) => ["reply", serial, `:${serial}\r\n`];
  const loader = newLoader();
  loader.push(chunkOf([state, session, ...[4097, 1, 17].map(reply), ["end"]]));
  const { keyspace, sessions } = loader.take();
  const chunk = new StateSnapshot(keyspace, sessions, new Settings(), new FileIndex()).next(1000);
  assert(chunk !== null);
  const items = JSON.parse(new TextDecoder().decode(chunk));
  assertEquals(items, [state, session, ...[1, 17, 4097].map(reply), ["end"]]);
});

Deno.test("the user's bound of memory comes through, and where there is none, nothing is told", () => {
  const state = ["state", 2, 1000, 0, 0, 0, 0];
  for (const bound of [0, 1, 2 ** 40]) {
    const items = [bound === 0 ? state : [...state, bound], ["end"]];
    const { keyspace, sessions, settings } = loaded(items).take();
    assertEquals(settings.memoryBytesMax, bound);
    const chunk = new StateSnapshot(keyspace, sessions, settings, new FileIndex()).next(1000);
    assert(chunk !== null);
    assertEquals(JSON.parse(new TextDecoder().decode(chunk)), items);
  }
  for (const wrong of [[...state, 0], [...state, "5"], [...state, -1], [...state, 5, 5]]) {
    assertThrows(() => load([wrong, ["end"]]), SnapshotFormatError);
  }
});

Deno.test("each field of each item is refused with a value that it cannot have", () => {
  const items = someItems();
  const never = [null, true, [], {}, 1.5, -1, 1e300, "\u0100", "\ud800", { __proto__: 1 }];
  let refused = 0;
  for (const [at, item] of items.entries()) {
    for (let field = 0; field < item.length; field++) {
      const [kind] = item;
      const isText = typeof item[field] === "string" && field > 0;
      const isDeadline = (kind === "key" || kind === "open") && field === 3;
      const others = isText && !isDeadline ? [7] : ["__proto__", "1", 2 ** 53];
      for (const value of [...never, ...others]) {
        const broken = item.map((old, index) => index === field ? value : old);
        const all = items.map((old, index) => index === at ? broken : old);
        assertThrows(() => load(all), SnapshotFormatError, "", JSON.stringify(broken).slice(0, 99));
        refused++;
      }
    }
  }
  assert(refused > 1000, `${refused}`);
});

Deno.test("counts that are not true are refused, however huge", () => {
  const items = someItems();
  const [state = []] = items;
  // Format, keys, sessions, and how many sessions were ever opened.
  for (const field of [1, 3, 5, 6]) {
    for (const value of [0, Number(state[field]) - 1, Number(state[field]) + 1, 2 ** 53 - 1]) {
      const isHarmless = field === 6 && value > 2;
      if (isHarmless) continue;
      const broken = state.map((old, index) => index === field ? value : old);
      assertThrows(() => load([broken, ...items.slice(1)]), SnapshotFormatError);
    }
  }
});

Deno.test("items that are missing, doubled, too long, too short or out of order are refused", () => {
  const items = someItems();
  load(items);
  for (const [at, item] of items.entries()) {
    const [before, after] = [items.slice(0, at), items.slice(at + 1)];
    for (
      const broken of [
        [...before, ...after],
        [...before, item, item, ...after],
        [...before, [...item, null], ...after],
        [...before, item.slice(0, 1), ...(item.length === 1 ? [] : after)].slice(0, at + 1),
        [...before, [], ...after],
        [...before, [item], ...after],
        [...before, ["nosuch", 1], item, ...after],
        [...before, ["piece", "x"], item, ...after],
        [item, ...before.slice(0, at), ...after],
      ]
    ) {
      if (JSON.stringify(broken) === JSON.stringify(items)) continue;
      assertThrows(() => load(broken), SnapshotFormatError, "", `${at}: ${item[0]}`);
    }
  }
});

Deno.test("a string that is too long for an item must come in pieces", () => {
  const key = (length: number) => [
    ["state", 2, 1000, 1, 0, 0, 0],
    ["key", "k".repeat(length), "v"],
    ["end"],
  ];
  assertEquals(loaded(key(SHORT_LENGTH_MAX)).take().keyspace.size, 1);
  assertThrows(() => load(key(SHORT_LENGTH_MAX + 1)), SnapshotFormatError, "too long");
});

Deno.test("what is no array of arrays in JSON is refused", () => {
  const texts = [
    "",
    "[",
    "{}",
    "null",
    "[]",
    "[1]",
    "[{}]",
    '["state"]',
    "[[]]",
    "[[]",
    "\ufeff[[]]",
  ];
  const chunks = texts.map((text) => new TextEncoder().encode(text));
  chunks.push(new Uint8Array([0x5b, 0xff, 0x5d]), new TextEncoder().encode("[".repeat(1e6)));
  for (const chunk of chunks) {
    assertThrows(() => newLoader().push(chunk), SnapshotFormatError);
  }
});

Deno.test("after a chunk that was wrong there is nothing to be had", () => {
  const items = someItems();
  const loader = newLoader();
  loader.push(chunkOf(items.slice(0, 2)));
  assertThrows(() => loader.push(chunkOf([["nosuch"]])), SnapshotFormatError);
  assertThrows(() => loader.push(chunkOf(items.slice(2))), SnapshotFormatError, "failed");
  assertThrows(() => loader.take(), SnapshotFormatError, "failed");
});

Deno.test("a chunk that is cut, or has a changed byte, is refused or means something", () => {
  const random = seededRandom(1);
  const whole = chunkOf(someItems(false));
  for (let run = 0; run < 2000; run++) {
    const length = run < 500 ? randomInteger(random, whole.length) : whole.length;
    const bytes = whole.slice(0, length);
    const at = randomInteger(random, Math.min(length, 400));
    if (run >= 500) bytes[at] = randomInteger(random, 256);
    try {
      const loader = newLoader();
      loader.push(bytes);
      assertEquals(run >= 500 && loader.isComplete, true);
    } catch (error) {
      assert(error instanceof SnapshotFormatError, `${error}`);
      assert(error.message.length < 300);
    }
  }
});

Deno.test("what the first item has announced must be there at the end, with sessions or without", () => {
  const state = (keys: number, sessions: number) => ["state", 2, 1000, keys, 0, sessions, 1];
  const key = (name: string) => ["key", name, "v"];
  const session = ["session", "1-1000", 1000, 2000, 0, 0, 0];
  load([state(2, 0), key("a"), key("b"), ["end"]]);
  load([state(1, 1), key("a"), session, ["end"]]);
  const refused = (...items: unknown[]) =>
    assertThrows(() => load(items), SnapshotFormatError).message;
  assertMatch(refused(state(2, 0), key("a"), ["end"]), /keys are missing/);
  assertMatch(refused(state(1, 0), ["end"]), /keys are missing/);
  assertMatch(refused(state(2, 1), key("a"), session, ["end"]), /keys are missing/);
  assertMatch(refused(state(1, 1), key("a"), ["end"]), /sessions are missing/);
  assertMatch(refused(state(2, 0), key("a"), key("b")), /current state is loading/);
});

Deno.test("nothing may stand behind the end of a state, in its chunk or in another", () => {
  const state = ["state", 2, 1000, 1, 0, 0, 0];
  const key = ["key", "a", "v"];
  const loader = newLoader();
  const chunk = chunkOf([state, key, ["end"], ["key", "b", "v"]]);
  assertMatch(assertThrows(() => loader.push(chunk), SnapshotFormatError).message, /after the end/);
  assertThrows(() => loader.take(), SnapshotFormatError);
  assertThrows(() => load([state, key, ["end"], ["end"]]), SnapshotFormatError);
});

Deno.test("the number of keys is known from the first chunk on", () => {
  const loader = newLoader();
  assertEquals(loader.keysAnnounced, null);
  const [state, ...others] = someItems();
  loader.push(chunkOf([state]));
  const { keysAnnounced } = loader;
  for (const item of others) loader.push(isPiece(item) ? pieceOf(item[1]) : chunkOf([item]));
  assertEquals([loader.isComplete, loader.keysAnnounced], [true, keysAnnounced]);
  assertEquals(loader.take().keyspace.storedSize, keysAnnounced);
});

const ONE_KEY = ["state", 2, 1000, 1, 0, 0, 0];

function refusalOf(...items: readonly unknown[]): string {
  return assertThrows(() => load([ONE_KEY, ...items]), SnapshotFormatError).message;
}

Deno.test("a value is refused unless it is whole, and its type is known and agrees", () => {
  const open = ["open", "k", "testlist"];
  const part = ["part", "a", "b"];
  load([ONE_KEY, open, part, ["part", "c"], ["close", 3], ["end"]]);
  assertMatch(refusalOf(open, part, ["end"]), /is not closed/);
  assertMatch(refusalOf(open, part, ["key", "k", "v"]), /is not closed/);
  assertMatch(refusalOf(open, ["close", 0], ["end"]), /field 1 is wrong/);
  assertMatch(refusalOf(open, part, ["close", 3]), /there are 2 entries/);
  assertMatch(refusalOf(open, ["part"]), /it has 1 fields/);
  assertMatch(refusalOf(open, ["part", "a", "wrong"]), /a testlist has no such entry there/);
  assertMatch(refusalOf(open, ["part", "a", "more"], ["close", 2]), /entries are missing/);
  const empty = new StateLoader(undefined, [{ ...listType, isEmpty: () => true }]);
  for (const item of [ONE_KEY, open, part]) empty.push(chunkOf([item]));
  assertThrows(() => empty.push(chunkOf([["close", 2]])), Error, "the value is empty");
  assertMatch(refusalOf(["part", "a"]), /its kind is not due/);
  assertMatch(refusalOf(["close", 1]), /its kind is not due/);
  assertMatch(refusalOf(["key", "k", "v"], open), /there are too many/);
  const twice = ["state", 2, 1000, 2, 0, 0, 0];
  for (const first of [[["key", "k", "v"]], [open, part, ["close", 2]]]) {
    const items = [twice, ...first, open, part, ["close", 2]];
    const { message } = assertThrows(() => load(items), SnapshotFormatError);
    assertMatch(message, /the key is there already/);
  }
});

Deno.test("a type that is not known is named, with the advice to upgrade", () => {
  for (const name of ["hash", "string"]) {
    const message = refusalOf(["open", "k", name]);
    assertMatch(message, /does not know the type (hash|string)\. Upgrade to one that does/);
  }
  for (const name of ["", "Hash", "a b", "x".repeat(21), "testlist\n"]) {
    assertMatch(refusalOf(["open", "k", name]), /field 2 is wrong/);
  }
});

/** Pairs of strings, which do not change once they are stored. */
interface Pairs extends TypedValue {
  readonly pairs: Entry[];
}

const pairsType: ValueType<Pairs, Pairs> = {
  name: "pairs",
  entryLength: 2,
  create: () => ({ type: pairsType, pairs: [] }),
  isEmpty: ({ pairs }) => pairs.length === 0,
  bytes: ({ pairs }) => pairs.length,
  clone: ({ type, pairs }) => ({ type, pairs: [...pairs] }),
  encoding: () => "pairs",
  *encode({ pairs }) {
    yield* pairs;
  },
  decoder() {
    const pairs: Entry[] = [];
    return {
      add([first = "", second = ""]) {
        pairs.push([first, second]);
        return true;
      },
      finish: () => ({ type: pairsType, pairs }),
    };
  },
};

Deno.test("entries of any length come through in parts of a bounded size", () => {
  const lengths = [0, 1, 4091, 8192, 8193, 32_767, 32_768, 100_000];
  const pairs: Entry[] = [];
  for (const first of lengths) {
    for (const second of lengths) pairs.push(["\x01".repeat(first), "b".repeat(second)]);
  }
  for (let count = 0; count < 20_000; count++) pairs.push(["", "\x01"]);
  const keyspace = new Keyspace();
  keyspace.edit("k", pairsType, (value) => value.pairs.push(...pairs));
  const snapshot = new StateSnapshot(keyspace, new OnceSessions(), new Settings(), new FileIndex());
  const loader = new StateLoader(undefined, [pairsType]);
  for (let chunk = snapshot.next(1); chunk !== null; chunk = snapshot.next(1)) {
    assert(chunk.length <= 6 * 2 * 8192 + 100, `${chunk.length}`);
    loader.push(chunk);
  }
  const { value = "" } = loader.take().keyspace.find("k") ?? {};
  assert(isOfType(value, pairsType));
  const plain = value.pairs.map((entry) => entry.map(textOf));
  assertEquals(plain, pairs.map((entry) => [...entry].map(textOf)));
  assertMatch(
    assertThrows(() => {
      const other = new StateLoader(undefined, [pairsType]);
      other.push(chunkOf([ONE_KEY, ["open", "k", "pairs"], ["part", "a", "b", "c"]]));
    }, SnapshotFormatError).message,
    /it has 4 fields/,
  );
});
