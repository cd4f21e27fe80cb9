import type { Arguments } from "../base/byte_string.ts";
import { OK, type Reply } from "../resp/reply.ts";
import { argument } from "./arguments.ts";
import type { CommandContext } from "./command.ts";
import { CommandError, errorQuoting, SYNTAX_ERROR } from "./command_error.ts";

/** The only setting of the whole cluster, under its name in Redis. */
export const MAXMEMORY = "maxmemory";

/**
 * The other settings that `CONFIG GET` shows: flags of the process, which no client can change.
 */
export const FIXED_SETTINGS: readonly string[] = [
  "appendfsync",
  "appendonly",
  "bind",
  "databases",
  "dir",
  "maxclients",
  "maxmemory-policy",
  "port",
  "proto-max-bulk-len",
  "save",
  "tcp-keepalive",
  "timeout",
];

/** Redis's units: `k` is 1000, `kb` is 1024. */
const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1_000,
  kb: 1_024,
  m: 1_000 ** 2,
  mb: 1_024 ** 2,
  g: 1_000 ** 3,
  gb: 1_024 ** 3,
};

/** The request that changes the memory limit. */
export function maxmemoryRequest(bytes: number): readonly string[] {
  return ["CONFIG", "SET", MAXMEMORY, String(bytes)];
}

/** `CONFIG SET name value …` changes all of the settings, or none. */
export function configSet(context: CommandContext, args: Arguments): Reply {
  if (args.length % 2 !== 0) throw SYNTAX_ERROR;
  checkNames(args);
  // Only one name is possible, and it occurs once.
  const bytes = parseMemory(argument(args, 3));
  if (bytes === null) throw failed(MAXMEMORY, "argument must be a memory value");
  if (bytes > context.memoryBytesLimit) {
    const range = `between 0 and ${context.memoryBytesLimit} inclusive`;
    throw failed(MAXMEMORY, `argument must be ${range}`);
  }
  context.settings.memoryBytesMax = bytes;
  return OK;
}

/**
 * Checks that all names can be set.
 *
 * @throws {CommandError} in Redis's words, for the first name that cannot be set
 */
function checkNames(args: Arguments): void {
  for (let at = 2; at < args.length; at += 2) {
    const name = argument(args, at);
    const known = name.toLowerCase();
    if (FIXED_SETTINGS.includes(known)) throw failed(name, "can't set immutable config");
    if (known !== MAXMEMORY) {
      const what = "Unknown option or number of arguments for CONFIG SET";
      throw errorQuoting(`ERR ${what} - '${name}'`);
    }
    if (at > 2) throw failed(name, "duplicate parameter");
  }
}

function failed(name: string, why: string): CommandError {
  return new CommandError(
    `ERR CONFIG SET failed (possibly related to argument '${name}') - ${why}`,
  );
}

/** A number of bytes as Redis writes it, such as `100mb`; `null` if it is invalid. */
function parseMemory(text: string): number | null {
  const [, digits, unit = ""] = /^([0-9]*)([kmg]?b?)$/i.exec(text) ?? [];
  if (digits === undefined) return null;
  return Number(digits) * (UNITS[unit.toLowerCase()] ?? NaN);
}
