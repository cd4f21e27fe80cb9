import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { AssertionFailure } from "../base/errors.ts";
import { randomInteger, seededRandom } from "../base/random.ts";
import { EXPIRED_PER_STEP_MAX } from "./deadlines.ts";
import {
  NO_OWNER,
  OnceSession,
  OnceSessions,
  SERIAL_WINDOW,
  type SessionOwner,
} from "./once_sessions.ts";

function opened(sessions: OnceSessions, ttlMs = 1000): OnceSession {
  return openedBy(sessions, NO_OWNER, ttlMs);
}

function openedBy(sessions: OnceSessions, owner: SessionOwner, ttlMs = 1000): OnceSession {
  const session = sessions.open(ttlMs, owner);
  assert(session instanceof OnceSession, `refused: ${session}`);
  return session;
}

/** Sessions of clients, and half as many of proxies, each with the given bytes of replies. */
function limitsOf(sessionsMax: number, repliesBytesMin: number, sessionsPerOwnerMax = Infinity) {
  return {
    clients: { sessionsMax, repliesBytesMin },
    proxies: { sessionsMax: sessionsMax / 2, repliesBytesMin },
    sessionsPerOwnerMax,
  };
}

Deno.test("ids are never used twice, also after their session is gone", () => {
  const sessions = new OnceSessions();
  sessions.advanceTime(5);
  const ids = Array.from({ length: 10 }, () => {
    const { key } = opened(sessions);
    sessions.close(key);
    return key;
  });
  assertEquals(new Set(ids).size, 10);
  assertEquals([ids[0], ids[9]], ["1-5", "10-5"]);
  assertEquals([sessions.storedSize, sessions.usedBytes], [0, 0]);
});

Deno.test("a session ends when it was not used for its time, by the log's time alone", () => {
  const sessions = new OnceSessions();
  const session = opened(sessions, 100);
  sessions.advanceTime(60);
  sessions.use(session, 0);
  assertEquals(sessions.nextDeadlineMs(), 160);
  sessions.advanceTime(159);
  assertEquals(sessions.find(session.key), session);
  sessions.advanceTime(160);
  assertEquals(sessions.find(session.key), undefined);
  assertEquals([sessions.storedSize, sessions.nextDeadlineMs()], [0, null]);
  assertEquals(sessions.close(session.key), false);
});

Deno.test("the session that was found last is found no more when it is closed or due", () => {
  const sessions = new OnceSessions();
  const [one, other] = [opened(sessions, 10), opened(sessions, 20)];
  for (const session of [one, other, one, one]) {
    assertStrictEquals(sessions.find(session.key), session);
  }
  assertEquals(sessions.find("3-0"), undefined);
  sessions.close(one.key);
  assertEquals([sessions.find(one.key), sessions.close(one.key)], [undefined, false]);
  assertStrictEquals(sessions.find(other.key), other);
  sessions.advanceTime(20);
  assertEquals([sessions.find(other.key), sessions.storedSize], [undefined, 0]);
});

Deno.test("of many sessions that are due each step removes a part, and the rest counts as absent", () => {
  const sessions = new OnceSessions(limitsOf(2500, 1000));
  const all = Array.from({ length: 2500 }, () => opened(sessions, 10));
  assertEquals(sessions.open(10), "all");
  sessions.advanceTime(10);
  assertEquals([sessions.storedSize, sessions.size], [2500 - EXPIRED_PER_STEP_MAX, 0]);
  for (const { key } of all) assertEquals(sessions.find(key), undefined);
  assertEquals(all.filter(({ key }) => sessions.close(key)).length, 0);
  assertEquals(sessions.storedSize, 0);
});

Deno.test("a session that is due makes room for another one", () => {
  const sessions = new OnceSessions(limitsOf(1500, 1000));
  for (let count = 0; count < 1500; count++) opened(sessions, 10);
  sessions.advanceTime(10);
  for (let count = 0; count < 1500; count++) opened(sessions, 20);
  assertEquals([sessions.open(10), sessions.size], ["all", 1500]);
});

Deno.test("what is kept agrees with a naive model, in any order of serials", () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = seededRandom(seed);
    const sessions = new OnceSessions();
    const session = opened(sessions);
    const executed = new Map<number, string>();
    let ackedMax = 0;
    for (let step = 0; step < 3000; step++) {
      const around = session.highest + randomInteger(random, random() < 0.02 ? 9000 : 20);
      const serial = Math.max(1, around - randomInteger(random, random() < 0.1 ? 9000 : 30));
      const acked = random() < 0.1 ? randomInteger(random, serial) : 0;
      sessions.use(session, acked);
      ackedMax = Math.max(ackedMax, acked);
      const highest = Math.max(0, ...executed.keys());
      const isForgotten = serial <= ackedMax || highest - serial > SERIAL_WINDOW;
      assertEquals(serial <= session.floor, isForgotten, `seed ${seed}`);
      if (isForgotten) continue;
      assertEquals(session.replies.get(serial), executed.get(serial));
      if (executed.has(serial)) continue;
      sessions.keep(session, serial, `reply ${step}`);
      executed.set(serial, `reply ${step}`);
    }
    assert(session.replies.size <= SERIAL_WINDOW + 1);
  }
});

Deno.test("what replies take is counted, and all of it is given back", () => {
  const sessions = new OnceSessions();
  const session = opened(sessions);
  const before = sessions.usedBytes;
  sessions.keep(session, 1, "x".repeat(1000));
  assert(sessions.usedBytes > before + 1000);
  sessions.use(session, 1);
  assertEquals(sessions.usedBytes, before);
  for (let serial = 2; serial < 100; serial++) sessions.keep(session, serial, null);
  sessions.keep(session, 10_000, null);
  assertEquals(session.replies.size, 1);
  sessions.use(session, 9_999_999);
  assertEquals(sessions.usedBytes, before);
  sessions.close(session.key);
  assertEquals(sessions.usedBytes, 0);
});

Deno.test("replies of one session never push out those of another, whoever fills the room", () => {
  const sessions = new OnceSessions(limitsOf(10, 1_000));
  const [quiet, ...greedy] = Array.from({ length: 10 }, () => opened(sessions));
  const proxys = openedBy(sessions, { name: "p", isProxy: true });
  assert(quiet !== undefined);
  for (let serial = 1; serial <= 9; serial++) {
    for (const session of [quiet, proxys]) sessions.keep(session, serial, null);
    for (const session of greedy) sessions.keep(session, serial, "x".repeat(5_000));
  }
  const serials = ({ replies }: OnceSession) => replies.entries().map(([serial]) => serial);
  for (const session of [quiet, proxys]) {
    assertEquals(serials(session), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assertEquals(session.floor, 0);
  }
  // Those who keep too much have their newest, and what is forgotten is said to be.
  for (const session of greedy) {
    assertEquals([serials(session), session.floor], [[9], 8]);
  }
});

Deno.test("what sessions kept that have ended is room for the others", () => {
  const sessions = new OnceSessions(limitsOf(64, 1_000));
  const many = Array.from({ length: 20 }, () => opened(sessions));
  for (const session of many) sessions.keep(session, 1, "x".repeat(5_000));
  for (const { key } of many) sessions.close(key);
  const left = opened(sessions);
  for (let serial = 1; serial <= 3; serial++) sessions.keep(left, serial, "x".repeat(1_000));
  assertEquals([left.replies.size, left.floor], [3, 0]);
});

Deno.test("clients leave the sessions of proxies alone, and one connection those of the others", () => {
  const sessions = new OnceSessions(limitsOf(20, 1_000, 8));
  const client = (name: string) => ({ name, isProxy: false });
  const proxy = { name: "proxy", isProxy: true };
  for (let count = 0; count < 8; count++) openedBy(sessions, client("a"), 86_400_000);
  assertEquals(sessions.open(10, client("a")), "owner");
  const last = openedBy(sessions, client("b"));
  for (let count = 0; count < 11; count++) openedBy(sessions, client(`c${count}`), 86_400_000);
  assertEquals(sessions.open(10, client("new")), "all");
  for (let count = 0; count < 8; count++) openedBy(sessions, proxy);
  assertEquals(sessions.open(10, proxy), "owner");
  for (let count = 0; count < 2; count++) openedBy(sessions, { ...proxy, name: "other" });
  assertEquals(sessions.open(10, { ...proxy, name: "other" }), "all");
  sessions.close(last.key);
  assertEquals(sessions.open(10, client("a")), "owner");
  openedBy(sessions, client("new"));
  sessions.advanceTime(1_000);
  openedBy(sessions, proxy);
});

Deno.test("a serial gets one reply and no other", () => {
  const sessions = new OnceSessions();
  const session = opened(sessions);
  sessions.keep(session, 5, null);
  assertThrows(() => sessions.keep(session, 5, null), AssertionFailure);
  sessions.use(session, 4);
  assertThrows(() => sessions.keep(session, 4, null), AssertionFailure);
});
