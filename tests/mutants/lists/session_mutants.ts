import type { Mutant } from "../mutant.ts";

const ROWS = "src/commands/session_rows_test.ts";
const REPLIES = "src/store/kept_replies_test.ts";
const SESSIONS = "src/store/once_sessions_test.ts";
const STATE = "src/commands/snapshot_test.ts";
const LOADER = "src/store/state_loader_test.ts";
const ONCE = "src/proxy/exactly_once_test.ts";
const LEASED = "src/proxy/leased_session_test.ts";

/** Exactly once: sessions in the state machine, and the proxy's stamps. */
export const sessionMutants: readonly Mutant[] = [
  {
    name: "once-executed-twice",
    bug: "a serial that is resent is executed again",
    file: "src/commands/session_rows.ts",
    find: `if (call.kept !== undefined) return call.kept;
  return keepReply(context, call, context`,
    replace: `if (call.kept !== undefined) {
    context.executeAll(innerOf(args), checkInnerWrite);
    return call.kept;
  }
  return keepReply(context, call, context`,
    killers: [ROWS],
    simulation: true,
  },
  {
    name: "long-once-executed-twice",
    bug: "a long write that is resent is executed again, step by step",
    file: "src/commands/session_rows.ts",
    find: `if (call.kept !== undefined) return call.kept;
  return keepReply(context, call, yield*`,
    replace: "return keepReply(context, call, yield*",
    killers: [ROWS],
  },
  {
    name: "unknown-session-executed",
    bug: "a request of an expired session is executed, perhaps for the second time",
    file: "src/commands/session_rows.ts",
    find: "const session = sessionOf(context, args, serial);",
    replace: `if (context.sessions.find(argument(args, 1)) === undefined) {
    context.executeAll(innerOf(args), checkInnerWrite);
  }
  const session = sessionOf(context, args, serial);`,
    killers: [ROWS],
  },
  {
    name: "forgotten-serial-executed",
    bug: "a serial whose reply was forgotten is executed again",
    file: "src/commands/session_rows.ts",
    find: "if (serial <= session.floor) throw stale(serial, session.floor);",
    replace: "if (serial < 0) throw stale(serial, session.floor);",
    killers: [ROWS],
  },
  {
    name: "reply-of-another-serial",
    bug: "a request gets the reply of another serial",
    file: "src/commands/session_rows.ts",
    find: "kept: session.replies.get(serial) }",
    replace: "kept: session.replies.get(serial) ?? session.replies.get(serial + 1) }",
    killers: [ROWS],
  },
  {
    name: "displaced-reply-lost",
    bug: "of two serials with the same place in the table, one is executed again",
    file: "src/store/kept_replies.ts",
    find: "return this.#displaced?.get(serial);",
    replace: "return undefined;",
    killers: [REPLIES, SESSIONS],
  },
  {
    name: "closed-session-found",
    bug: "a closed session is still found",
    file: "src/store/once_sessions.ts",
    find: "this.#sessions.delete(session.key);",
    replace: "",
    killers: [SESSIONS, ROWS],
  },
  {
    name: "session-ends-by-a-local-clock",
    bug: "a session is expired on one node and alive on another",
    file: "src/store/once_sessions.ts",
    find: "session.deadlineMs > this.#timeMs ? session",
    replace: "session.deadlineMs > Date.now() ? session",
    killers: [SESSIONS, ROWS],
    simulation: true,
  },
  {
    name: "sessions-missing-in-the-snapshot",
    bug: "a state that was loaded from a snapshot has no sessions, and executes again",
    file: "src/commands/state_machine.ts",
    find: "this.#context.sessions = sessions;",
    replace: "this.#context.sessions = new OnceSessions(sessions.limits);",
    killers: [STATE],
    simulation: true,
  },
  {
    name: "session-counter-missing-in-the-snapshot",
    bug: "after a snapshot two sessions get the same id",
    file: "src/store/once_sessions.ts",
    find: "this.#openedCount = openedCount;",
    replace: "this.#openedCount = openedCount * 0;",
    killers: [LOADER, STATE],
    simulation: true,
  },
  {
    name: "snapshot-sees-later-sessions",
    bug: "a snapshot mixes the sessions of its moment with later ones",
    file: "src/store/once_sessions.ts",
    find: "this.#view?.keep(session);\n    const deadlineMs",
    replace: "const deadlineMs",
    killers: [STATE, SESSIONS],
  },
  {
    name: "serials-kept-for-ever",
    bug: "replies are kept without a bound",
    file: "src/store/once_sessions.ts",
    find: "this.#forget(session, session.highest - SERIAL_WINDOW - 1);",
    replace: "this.#forget(session, session.highest - 1_000 * SERIAL_WINDOW);",
    killers: [SESSIONS, ROWS],
  },
  {
    name: "unknown-repeated-without-a-stamp",
    bug: "a write without a stamp whose outcome is unknown is resent",
    file: "src/proxy/client_queue.ts",
    find: "else if (request.isStamped && doubtOf(text) !== null) this",
    replace: "else if (doubtOf(text) !== null) this",
    killers: [ONCE],
  },
  {
    name: "stamp-changed-on-repetition",
    bug: "a lost write is resent with another serial, and executed twice",
    file: "src/proxy/proxy_request.ts",
    find: `return this.kind === "write" && this.#session === null &&`,
    replace: `return this.kind === "write" &&`,
    killers: [ONCE],
    simulation: true,
  },
  {
    name: "uncertain-write-under-another-session",
    bug: "a write that may have been executed is resent in a new session",
    file: "src/proxy/client_queue.ts",
    find: "if (request.isUncertain) return this.#settleInPlace(request, WRITE_LOST);",
    replace: `if (request.isUncertain && request.session === null) {
      return this.#settleInPlace(request, WRITE_LOST);
    }`,
    killers: [ONCE],
  },
  {
    name: "repeated-out-of-order",
    bug: "program order: lost writes are repeated in another order",
    file: "src/proxy/client_queue.ts",
    find: "this.#waiting.unshift(request);",
    replace: "this.#waiting.push(request);",
    killers: [ONCE],
    simulation: true,
  },
  {
    name: "acked-before-answered",
    bug: "the proxy lets the state machine forget serials that it may have to resend",
    file: "src/proxy/write_sessions.ts",
    find: "get acked(): number {\n    return this.#acked;",
    replace: "get acked(): number {\n    return Math.max(0, this.#highest - 1);",
    killers: [LEASED, ONCE],
  },
  {
    name: "clients-take-the-proxies-sessions",
    bug: "a client opens sessions for a day until no proxy gets one, and its writes have no stamp",
    file: "src/store/once_sessions.ts",
    find: "return isProxy ? this.limits.proxies : this.limits.clients;",
    replace: `return isProxy
      ? { ...this.limits.proxies, sessionsMax: Infinity }
      : { ...this.limits.clients, sessionsMax: Infinity };`,
    killers: ["src/store/once_sessions_test.ts"],
  },
  {
    name: "one-connection-takes-all-sessions",
    bug: "one connection opens all the sessions that clients may have",
    file: "src/store/once_sessions.ts",
    find: 'if (owner.name !== "" && (this',
    replace: 'if (owner.name === "none" && (this',
    killers: ["src/store/once_sessions_test.ts"],
  },
  {
    name: "replies-push-out-those-of-others",
    bug: "a session with large replies takes the space of all, and others forget theirs at once",
    file: "src/store/once_sessions.ts",
    find: "return isScarce ? repliesBytesMin : Math",
    replace: "return isScarce ? 0 : Math",
    killers: ["src/store/once_sessions_test.ts"],
  },
  {
    name: "client-says-it-is-a-proxy",
    bug: "any client can take a session from the proxies' share with a single word",
    file: "src/commands/session_rows.ts",
    find: "if (!isFenced || !(isProxy || isClient))",
    replace: "if (!(isProxy || isClient) || client === String(isFenced))",
    killers: ["src/commands/session_rows_test.ts"],
  },
];
