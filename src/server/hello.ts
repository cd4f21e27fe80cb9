import { ErrorReply, MapReply, type Reply } from "../resp/reply.ts";
import { isClientName } from "./client_commands.ts";
import type { Connection } from "./connection.ts";
import type { ProcessCommands } from "./process_commands.ts";
import type { PendingReply } from "./pending_reply.ts";
import { REDIS_VERSION } from "./version.ts";

/** `HELLO [protover [AUTH username password] [SETNAME clientname]]` */
export function hello(
  process: ProcessCommands,
  connection: Connection,
  args: readonly string[],
  reply: PendingReply,
): Reply | null {
  const version = args[1];
  if (version !== undefined && version !== "2" && version !== "3") {
    return /^-?[0-9]+$/.test(version)
      ? new ErrorReply("NOPROTO unsupported protocol version")
      : new ErrorReply("ERR Protocol version is not an integer or out of range");
  }
  let name: string | null = null;
  for (let at = 2; at < args.length;) {
    const option = args[at]?.toUpperCase();
    const left = args.length - at - 1;
    if (option === "SETNAME" && left >= 1) {
      name = args[at + 1] ?? "";
      at += 2;
    } else if (option === "AUTH" && left >= 2) {
      return new ErrorReply("WRONGPASS invalid username-password pair or user is disabled.");
    } else return new ErrorReply(`ERR Syntax error in HELLO option '${args[at]}'`);
  }
  if (name !== null && !isClientName(name)) {
    return new ErrorReply(
      "ERR Client names cannot contain spaces, newlines or special characters.",
    );
  }
  if (name !== null) connection.name = name;
  if (version !== undefined) connection.protocol = version === "3" ? 3 : 2;
  reply.protocol = connection.protocol; // the answer itself already speaks the new protocol
  const { mode, role } = process.hello();
  return new MapReply([
    ["server", "redis"],
    ["version", REDIS_VERSION],
    ["proto", connection.protocol],
    ["id", connection.id],
    ["mode", mode],
    ["role", role],
    ["modules", []],
  ]);
}
