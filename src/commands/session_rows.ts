import { ErrorReply, type Reply } from "../resp/reply.ts";
import { SESSION_TTL_MS_MAX } from "../store/sessions.ts";
import { argument, errorQuoting, NOT_AN_INTEGER, quoted } from "./arguments.ts";
import type { Command, CommandContext } from "./command.ts";
import { parseCount, parseInteger } from "./integer.ts";
import { unknownSubcommand, wrongNumberOfArguments } from "./request_errors.ts";
import { rowsOf } from "./rows.ts";

/** The group of the commands below. */
export const SESSION_GROUP = "session";

const TTL_MS_DEFAULT = 10 * 60 * 1000;
const ID_QUOTED_MAX = 64;
const INNER = 3;

const INVALID_TTL = new ErrorReply(
  `ERR invalid ttl-ms, it must be from 1 to ${SESSION_TTL_MS_MAX}`,
);
const INVALID_SERIAL = new ErrorReply(
  "ERR invalid serial, it must be an integer from 1 to 9007199254740991, " +
    "with /acked if wanted, an integer from 0 to below the serial",
);

function session(context: CommandContext, args: readonly string[]): Reply {
  const subcommand = argument(args, 1).toLowerCase();
  if (subcommand === "open") return open(context, args);
  if (subcommand !== "close") return unknownSubcommand(args);
  if (args.length !== 3) return wrongNumberOfArguments("session|close");
  return context.sessions.close(argument(args, 2)) ? 1 : 0;
}

function open({ sessions }: CommandContext, args: readonly string[]): Reply {
  if (args.length > 3) return wrongNumberOfArguments("session|open");
  const ttlMs = args[2] === undefined ? TTL_MS_DEFAULT : parseInteger(args[2]);
  if (ttlMs === null) return NOT_AN_INTEGER;
  if (typeof ttlMs === "bigint" || ttlMs < 1 || ttlMs > SESSION_TTL_MS_MAX) return INVALID_TTL;
  const opened = sessions.open(ttlMs);
  if (opened !== null) return opened.key;
  const { sessionsMax } = sessions.limits;
  return new ErrorReply(`ERR too many sessions: ${sessionsMax} are open (sessionsMax)`);
}

/**
 * What a serial was answered first, it is always answered: also an error of the command, and also
 * that there was no room for it. So a request that overtakes its own repetition cannot be refused to
 * one and executed for the other.
 */
function once(context: CommandContext, args: readonly string[]): Reply {
  const text = argument(args, 2);
  const slash = text.indexOf("/");
  const serial = parseCount(text, 0, slash < 0 ? text.length : slash);
  const acked = slash < 0 ? 0 : parseCount(text, slash + 1, text.length);
  if (serial < 1 || acked < 0 || acked >= serial) return INVALID_SERIAL;
  const { sessions } = context;
  const session = sessions.find(argument(args, 1));
  if (session === undefined) return noSession(argument(args, 1));
  sessions.use(session, acked);
  if (serial <= session.floor) return stale(serial, session.floor);
  const kept = session.replies.get(serial);
  if (kept !== undefined) return kept;
  const reply = context.executeInner(args, INNER);
  sessions.keep(session, serial, reply);
  return reply;
}

function noSession(id: string): ErrorReply {
  const name = quoted(id, ID_QUOTED_MAX);
  return errorQuoting(
    `NOSESSION No session '${name}': it is unknown or expired, nothing was executed now`,
  );
}

function stale(serial: number, floor: number): ErrorReply {
  return new ErrorReply(
    `STALE Serial ${serial} is forgotten, as all up to ${floor} are: nothing was executed now`,
  );
}

/** Commands that make a write happen exactly once, however often it is sent. */
export const sessionRows: readonly Command[] = rowsOf(SESSION_GROUP, ["connection"], [
  {
    name: "session",
    arity: -2,
    kind: "write",
    flags: ["fast"],
    keys: null,
    since: "0.1.0",
    summary: "Opens a session for ONCE, or closes it",
    run: session,
  },
  {
    name: "once",
    arity: -4,
    kind: "write",
    flags: ["movablekeys"],
    keys: null,
    inner: INNER,
    since: "0.1.0",
    summary: "Executes a write, or repeats its reply if the session has executed that serial",
    run: once,
  },
]);
