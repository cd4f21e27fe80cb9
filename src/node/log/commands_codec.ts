import { varintBytes, VarintReader, writeVarint } from "../../base/integers.ts";
import { latin1, writeLatin1 } from "../../base/latin1.ts";
import type { Commands } from "../entry.ts";

/** Arguments shorter than this are written many at once: each write costs as much as copying a few hundred bytes. */
const TOGETHER_MAX = 4096;

/**
 * Commands as bytes: a table, and after it the bytes of all arguments with nothing between them. The
 * table is the number of commands, and for each the number of its arguments and the length of each,
 * all as variable-length integers.
 *
 * @param offset so many bytes are left free before them
 */
export function encodeCommands(commands: Commands, offset: number): Uint8Array {
  let length = offset + varintBytes(commands.length);
  for (const command of commands) {
    length += varintBytes(command.length);
    for (const argument of command) length += varintBytes(argument.length) + argument.length;
  }
  const bytes = new Uint8Array(length);
  writeArguments(bytes, writeTable(bytes, offset, commands), commands);
  return bytes;
}

/** The commands that stand from `offset` to the end; `null` when anything else does. */
export function decodeCommands(bytes: Uint8Array, offset: number): Commands | null {
  const table = new VarintReader(bytes, offset);
  const lengths = readTable(table);
  if (lengths === null) return null;
  let at = table.at;
  const commands: string[][] = [];
  for (const ofCommand of lengths) {
    const command: string[] = [];
    for (const length of ofCommand) {
      if (length > bytes.length - at) return null;
      command.push(latin1(bytes, at, at + length));
      at += length;
    }
    commands.push(command);
  }
  return at === bytes.length ? commands : null;
}

function writeTable(bytes: Uint8Array, offset: number, commands: Commands): number {
  let at = writeVarint(bytes, offset, commands.length);
  for (const command of commands) {
    at = writeVarint(bytes, at, command.length);
    for (const argument of command) at = writeVarint(bytes, at, argument.length);
  }
  return at;
}

function writeArguments(bytes: Uint8Array, offset: number, commands: Commands): void {
  let at = offset;
  let together = "";
  for (const command of commands) {
    for (const argument of command) {
      if (together.length + argument.length > TOGETHER_MAX) {
        at = writeLatin1(bytes, at, together);
        together = "";
      }
      together += argument;
    }
  }
  writeLatin1(bytes, at, together);
}

/** The lengths of each command's arguments. A table that promises more than there is ends early. */
function readTable(table: VarintReader): number[][] | null {
  const commands: number[][] = [];
  const commandCount = table.next();
  if (commandCount === null) return null;
  while (commands.length < commandCount) {
    const command: number[] = [];
    const argumentCount = table.next();
    if (argumentCount === null || argumentCount === 0) return null;
    while (command.length < argumentCount) {
      const length = table.next();
      if (length === null) return null;
      command.push(length);
    }
    commands.push(command);
  }
  return commands;
}
