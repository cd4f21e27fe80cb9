import { type Arguments, textOf } from "../base/byte_string.ts";
import {
  type AclRequest,
  type ChannelUse,
  check,
  type Denial,
  type NameUse,
  type Permission,
  rightsOfFlags,
} from "../security/mod.ts";
import type { Command } from "./command.ts";

const NO_NAMES: readonly NameUse[] = [];
const NO_CHANNELS: readonly ChannelUse[] = [];

/**
 * A request as access control sees it, by the command table: the same positions of keys by which it
 * is executed. The arguments are read only if they matter to the user.
 */
class RequestUses implements AclRequest {
  readonly #row: Command;
  readonly #args: () => Arguments;

  constructor(row: Command, args: () => Arguments) {
    this.#row = row;
    this.#args = args;
  }

  get command(): string {
    return this.#row.name;
  }

  get firstArgument(): string | undefined {
    const argument = this.#args()[1];
    return argument === undefined ? undefined : textOf(argument);
  }

  get keys(): readonly NameUse[] {
    const { keys, access = "", accessOf } = this.#row;
    if (keys === null) return NO_NAMES;
    const args = this.#args();
    const { first, last, step } = keys;
    const flags = accessOf?.(args) ?? access;
    const end = last < 0 ? args.length + last : Math.min(last, args.length - 1);
    const uses: NameUse[] = [];
    for (let at = first; at <= end; at += step) {
      const ownFlags = typeof flags === "string" ? flags : flags[uses.length] ?? "";
      uses.push({ name: textOf(args[at] ?? ""), rights: rightsOfFlags(ownFlags) });
    }
    return uses;
  }

  get files(): readonly NameUse[] {
    return this.#row.filesOf?.(this.#args()) ?? NO_NAMES;
  }

  get channels(): readonly ChannelUse[] {
    return NO_CHANNELS;
  }
}

/** Finds the row of a request that was checked, as `rowOf` of the table. */
export type FindRow = (args: Arguments) => Command | undefined;

/**
 * Why a user may not make a request, or the one inside of it; `null` if they may.
 *
 * @param row of the request, which was checked
 */
export function denialOf(
  permission: Permission,
  row: Command,
  args: () => Arguments,
  findRow: FindRow,
): Denial | null {
  if (permission.isUnlimited) return null;
  const denial = check(permission, new RequestUses(row, args));
  if (denial !== null || row.inner === undefined) return denial;
  const inner = args().slice(row.inner.from);
  const innerRow = findRow(inner);
  // Deny by default: what the table does not describe may do anything.
  if (innerRow === undefined) return { kind: "command", object: textOf(inner[0] ?? "") };
  return denialOf(permission, innerRow, () => inner, findRow);
}
