import { type Arguments, textOf } from "../base/byte_string.ts";
import { parseCount } from "../base/integer.ts";
import type { Reply } from "../resp/reply.ts";
import {
  NO_OWNER,
  OnceSession,
  SESSION_TTL_MS_MAX,
  type SessionOwner,
} from "../store/once_sessions.ts";
import { argument, integerAt } from "./arguments.ts";
import { type Command, type CommandContext, rowsOf, Slices, subcommandsOf } from "./command.ts";
import { CommandError, errorQuoting, quoted, wrongNumberOfArguments } from "./command_error.ts";

/**
 * The group of the commands below. `ONCE` decides here whether a write is executed or gets its
 * first reply again; `store/once_sessions.ts` holds the sessions with those replies.
 */
export const SESSION_GROUP = "session";

/** The full name of the command that opens a session. */
export const SESSION_OPEN = "session|open";

/** The kind of owner of a session: a proxy itself, for its own stamps, or a client. */
export const PROXY = "PROXY";
const CLIENT = "CLIENT";
const CLIENT_NAME_MAX = 32;

const TTL_MS_DEFAULT = 10 * 60 * 1000;
const ID_QUOTED_MAX = 64;
/** Index in `ONCE id serial …` of the first argument of the inner request. */
const INNER_FROM = 3;

const INVALID_TTL = new CommandError(
  `ERR invalid ttl-ms, it must be from 1 to ${SESSION_TTL_MS_MAX}`,
);
const INVALID_SERIAL = new CommandError(
  "ERR invalid serial, it must be an integer from 1 to 9007199254740991, " +
    "optionally followed by /acked, an integer from 0 to below the serial",
);

function close({ sessions }: CommandContext, args: Arguments): Reply {
  return sessions.close(argument(args, 2)) ? 1 : 0;
}

function open({ sessions }: CommandContext, args: Arguments): Reply {
  const owner = ownerOf(args);
  if (owner === null) throw wrongNumberOfArguments(SESSION_OPEN);
  const ttlMs = args[2] === undefined ? TTL_MS_DEFAULT : integerAt(args, 2);
  if (typeof ttlMs === "bigint" || ttlMs < 1 || ttlMs > SESSION_TTL_MS_MAX) throw INVALID_TTL;
  const opened = sessions.open(ttlMs, owner);
  if (opened instanceof OnceSession) return opened.key;
  const { clients, proxies, sessionsPerOwnerMax } = sessions.limits;
  if (opened === "owner") {
    throw new CommandError(
      `ERR too many sessions: this connection has opened ${sessionsPerOwnerMax} that have not ended`,
    );
  }
  throw new CommandError(
    owner.isProxy
      ? `ERR too many sessions: proxies have ${proxies.sessionsMax} open`
      : `ERR too many sessions: clients have ${clients.sessionsMax} open`,
  );
}

/** The owner in a logged `SESSION OPEN`, after the TTL: `PROXY` or `CLIENT`, and its name. */
function ownerOf(args: Arguments): SessionOwner | null {
  if (args.length <= 3) return NO_OWNER;
  const [, , , kind, name] = args.map(textOf);
  if (args.length !== 5 || name === undefined || name === "") return null;
  if (kind !== PROXY && kind !== CLIENT) return null;
  return { name, isProxy: kind === PROXY };
}

/**
 * `SESSION OPEN` in the form that goes into the log, with the owner, which only the node with the
 * client's connection knows. Only a proxy, over a connection that is fenced to a leadership, may
 * name the owner: `PROXY` for itself, or `CLIENT` and a name for one of its clients.
 *
 * @param connection a name that no other connection has
 * @throws {CommandError} if the request names an owner that this client may not name
 */
export function ownedSessionOpen(
  args: readonly string[],
  connection: string,
  isFenced: boolean,
): readonly string[] {
  const [name = "", open = "", ttlMs = String(TTL_MS_DEFAULT), kind, client] = args;
  if (args.length <= 3) return [name, open, ttlMs, CLIENT, connection];
  const isProxy = args.length === 4 && kind === PROXY;
  const isClient = args.length === 5 && kind === CLIENT && (client ?? "").length <= CLIENT_NAME_MAX;
  if (!isFenced || !(isProxy || isClient)) throw wrongNumberOfArguments(SESSION_OPEN);
  return [name, open, ttlMs, kind, isProxy ? connection : `${connection}/${client}`];
}

/**
 * `SESSION OPEN` in the form in which a proxy forwards it for one of its clients.
 *
 * @throws {CommandError} if the request has more arguments than a client may send
 */
export function sessionOpenOf(
  args: readonly string[],
  client: number,
): readonly string[] {
  const [name = "", open = "", ttlMs = String(TTL_MS_DEFAULT)] = args;
  if (args.length > 3) throw wrongNumberOfArguments(SESSION_OPEN);
  return [name, open, ttlMs, CLIENT, String(client)];
}

/** A request of `ONCE` in a session that exists and has not forgotten its serial. */
interface OnceCall {
  readonly session: OnceSession;
  readonly serial: number;
  /** The reply of the first execution; `undefined` if the serial was not executed yet. */
  readonly kept: Reply | undefined;
}

/** As `onceInSteps`, without a generator, which makes a short write about 200 ns slower. */
function once(context: CommandContext, args: Arguments): Reply {
  const call = callOf(context, args);
  if (call.kept !== undefined) return call.kept;
  return keepReply(context, call, context.executeAll(innerOf(args), checkInnerWrite));
}

function* onceInSteps(context: CommandContext, args: Arguments): Generator<void, Reply> {
  const call = callOf(context, args);
  if (call.kept !== undefined) return call.kept;
  return keepReply(context, call, yield* context.allInSteps(innerOf(args), checkInnerWrite));
}

/**
 * Decides whether the serial is new, and extends the session's deadline.
 *
 * @throws {CommandError} if the request is refused: nothing is executed
 */
function callOf(context: CommandContext, args: Arguments): OnceCall {
  const serial = serialOf(args);
  const session = sessionOf(context, args, serial);
  return { session, serial, kept: session.replies.get(serial) };
}

/**
 * Keeps the reply of the inner request, and returns it. A serial always gets its first reply again,
 * even an error of the command, or `OOM`. So a request and its retry cannot get different results,
 * whichever is executed first.
 */
function keepReply(
  { sessions }: CommandContext,
  { session, serial }: OnceCall,
  [reply = null]: readonly Reply[],
): Reply {
  sessions.keep(session, serial, reply);
  return reply;
}

function innerOf(args: Arguments): Arguments[] {
  return [args.slice(INNER_FROM)];
}

/** `ONCE` accepts writes only, and of those no commands about sessions. */
function checkInnerWrite({ kind, group, name }: Command): void {
  if (kind === "write" && group !== SESSION_GROUP) return;
  throw new CommandError(`ERR ONCE takes writes only, and '${name}' is not one it takes`);
}

function serialOf(args: Arguments): number {
  const text = argument(args, 2);
  const serial = parseCount(text, 0, serialEnd(text));
  const acked = ackedOf(text);
  if (serial < 1 || acked < 0 || acked >= serial) throw INVALID_SERIAL;
  return serial;
}

/**
 * `acked` in `serial/acked`: all serials up to it are answered. 0 if absent, negative if invalid.
 */
function ackedOf(text: string): number {
  const end = serialEnd(text);
  return end === text.length ? 0 : parseCount(text, end + 1, text.length);
}

function serialEnd(text: string): number {
  const slash = text.indexOf("/");
  return slash < 0 ? text.length : slash;
}

/**
 * The session of `ONCE`, whose deadline this request extends.
 *
 * @throws {CommandError} if it has expired, or has forgotten that serial: nothing is executed
 */
function sessionOf({ sessions }: CommandContext, args: Arguments, serial: number): OnceSession {
  const session = sessions.find(argument(args, 1));
  if (session === undefined) throw noSession(argument(args, 1));
  sessions.use(session, ackedOf(argument(args, 2)));
  if (serial <= session.floor) throw stale(serial, session.floor);
  return session;
}

function noSession(id: string): CommandError {
  const name = quoted(id, ID_QUOTED_MAX);
  return errorQuoting(
    `NOSESSION No session '${name}': it is unknown or expired, nothing was executed now`,
  );
}

function stale(serial: number, floor: number): CommandError {
  return new CommandError(
    `STALE Serial ${serial} is forgotten, as all up to ${floor} are: nothing was executed now`,
  );
}

/** Commands that execute a write exactly once, however often it is sent. */
export const sessionRows: readonly Command[] = rowsOf(SESSION_GROUP, ["connection"], [
  {
    name: "session",
    arity: -2,
    kind: "local",
    flags: ["fast"],
    keys: null,
    since: "0.1.0",
    summary: "Opens a session for ONCE, or closes it",
    subcommands: subcommandsOf(SESSION_GROUP, {
      group: SESSION_GROUP,
      flags: ["fast"],
      categories: ["connection"],
      since: "0.1.0",
    }, [
      {
        name: "close",
        arity: 3,
        kind: "write",
        summary: "Ends a session",
        help: ["CLOSE <id>", "    End a session; return 1 if there was one, else 0."],
        run: close,
      },
      {
        name: "open",
        arity: -2,
        kind: "write",
        summary: "Opens a session",
        help: [
          "OPEN [<ttl-ms>]",
          "    Return the id of a new session, which ends when it is idle for that long.",
        ],
        run: open,
      },
    ]),
  },
  {
    name: "once",
    arity: -4,
    kind: "write",
    flags: ["movablekeys"],
    keys: null,
    inner: { from: INNER_FROM, check: checkInnerWrite },
    since: "0.1.0",
    summary: "Executes a write, or repeats its reply if the session has executed that serial",
    run: once,
    begin: (context, args) => new Slices(onceInSteps(context, args)),
  },
]);
