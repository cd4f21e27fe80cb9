import { type Address, formatAddress, parseAddress, parseHost } from "../base/address.ts";
import { UserError } from "../base/errors.ts";

/** The command line is wrong: exit code 2, and a pointer to the help. */
export class UsageError extends UserError {
  override name = "UsageError";
}

/** One flag of a subcommand. Its name is the key it has in its `Flags`, in kebab case. */
export interface Flag<T> {
  /** What stands for the value in help; `null` for a switch. */
  readonly placeholder: string | null;
  /** A letter that stands for the name: `-p` for `--port`. @default none */
  readonly short?: string;
  readonly help: string;
  /** What holds when the flag is not given; `undefined` with `isRequired` false: may be absent. */
  readonly fallback: T;
  /** The fallback as help shows it. @default the fallback itself, when it is a word or a number */
  readonly fallbackText?: string;
  readonly isRequired: boolean;
  /** `T` is a list, and what is given several times adds to it. @default only the last one counts */
  readonly isRepeatable?: boolean;
  /** Must be typed each time: no variable stands in for it. @default false */
  readonly isTypedOnly?: boolean;
  /** The variable that stands in for it. @default `REGENT_` and the flag's name */
  readonly environment?: string;
  /** @throws {UserError} with what is expected instead */
  readonly parse: (text: string) => T;
}

// deno-lint-ignore no-explicit-any -- the type of each flag's value stays known in `Values`
export type Flags = Readonly<Record<string, Flag<any>>>;

export type Values<F extends Flags> = {
  readonly [Name in keyof F]: F[Name] extends Flag<infer T> ? T : never;
};

/** The variables that stand in for flags: `--raft-port` is `REGENT_RAFT_PORT`. */
export type Environment = (name: string) => string | undefined;

export function flagName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The variable that stands in for a flag. */
export function twinOf(key: string, { environment }: Flags[string]): string {
  return environment ?? `REGENT_${flagName(key).replaceAll("-", "_").toUpperCase()}`;
}

interface Common {
  readonly help: string;
}

/** A flag that may also be given by a letter. */
export function withShort<T>(short: string, flag: Flag<T>): Flag<T> {
  return { ...flag, short };
}

/** A flag that may be given several times. */
export function several<T>(flag: Flag<T>): Flag<readonly T[]> {
  return {
    ...flag,
    fallback: [],
    isRepeatable: true,
    parse: (value) => [flag.parse(value)],
  };
}

/** A flag that takes a safeguard away: it counts only where somebody has typed it. */
export function typedOnly<T>(flag: Flag<T>): Flag<T> {
  return { ...flag, isTypedOnly: true };
}

/** A flag that may be left out. */
export function optional<T>(flag: Flag<T>): Flag<T | undefined> {
  return { ...flag, fallback: undefined, isRequired: false };
}

export function text(
  placeholder: string,
  { help, fallback }: Common & { readonly fallback?: string },
): Flag<string> {
  return {
    placeholder,
    help,
    fallback: fallback ?? "",
    isRequired: fallback === undefined,
    parse: (value) => value,
  };
}

export function toggle({ help }: Common): Flag<boolean> {
  return {
    placeholder: null,
    help,
    fallback: false,
    isRequired: false,
    parse(value) {
      if (/^(1|true|yes|on)$/i.test(value)) return true;
      if (/^(0|false|no|off)$/i.test(value)) return false;
      throw new UserError("expected true or false");
    },
  };
}

export function integer(
  placeholder: string,
  { help, fallback, min, max }: Common & {
    readonly fallback?: number;
    readonly min: number;
    readonly max: number;
  },
): Flag<number> {
  return {
    placeholder,
    help,
    fallback: fallback ?? 0,
    isRequired: fallback === undefined,
    parse(value) {
      const number = Number(value);
      if (!/^[0-9]+$/.test(value) || number < min || number > max) {
        throw new UserError(`expected a whole number from ${min} to ${max}`);
      }
      return number;
    },
  };
}

export function port(common: Common & { readonly fallback?: number }): Flag<number> {
  return integer("PORT", { ...common, min: 1, max: 65_535 });
}

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** A size: `1048576`, `512k`, `64m`, `1g`. */
export function bytes(
  { help, fallback, min, max }: Common & {
    readonly fallback: number;
    readonly min: number;
    readonly max: number;
  },
): Flag<number> {
  return {
    placeholder: "BYTES",
    help,
    fallback,
    fallbackText: sizeText(fallback),
    isRequired: false,
    parse(value) {
      const match = /^([0-9]+)([kmg]?)b?$/i.exec(value);
      const number = Number(match?.[1]) * (UNITS[match?.[2]?.toLowerCase() ?? ""] ?? NaN);
      if (!(number >= min && number <= max)) {
        throw new UserError(`expected a size from ${min} to ${max}, such as 64m`);
      }
      return number;
    },
  };
}

/** A size as `bytes` reads it, in the largest unit without a rest. */
function sizeText(sizeBytes: number): string {
  const unit = ["g", "m", "k"].find((unit) =>
    sizeBytes % (UNITS[unit] ?? 1) === 0 && sizeBytes > 0
  );
  return unit === undefined ? String(sizeBytes) : `${sizeBytes / (UNITS[unit] ?? 1)}${unit}`;
}

export function choice<T extends string>(
  values: readonly T[],
  { help, fallback }: Common & { readonly fallback: T },
): Flag<T> {
  return {
    placeholder: values.join("|"),
    help,
    fallback,
    isRequired: false,
    parse(value) {
      const found = values.find((one) => one === value);
      if (found === undefined) throw new UserError(`expected ${values.join(" or ")}`);
      return found;
    },
  };
}

/** A directory's path. */
export function directoryFlag(
  { help, fallback }: Common & { readonly fallback?: string },
): Flag<string> {
  return {
    ...text("DIR", { help, ...(fallback === undefined ? {} : { fallback }) }),
    parse(value) {
      if (value === "") throw new UserError("expected a directory");
      return value;
    },
  };
}

/** A host to listen on, or to connect to. */
export function hostFlag({ help, fallback }: Common & { readonly fallback: string }): Flag<string> {
  return {
    ...text("HOST", { help, fallback }),
    parse(value) {
      const parsed = parseHost(value);
      if (parsed === null) throw new UserError("expected a name or an IP address");
      return parsed;
    },
  };
}

/** `HOST:PORT`. */
export function addressFlag({ help }: Common): Flag<Address> {
  return { ...text("HOST:PORT", { help }), fallback: { host: "", port: 0 }, parse: readAddress };
}

/** @throws {UserError} when it is no address */
export function readAddress(value: string): Address {
  const parsed = parseAddress(value);
  if (parsed === null) throw new UserError("expected HOST:PORT");
  return parsed;
}

export function addressList(
  { help, fallback }: Common & { readonly fallback?: readonly Address[] },
): Flag<readonly Address[]> {
  return {
    placeholder: "HOST:PORT,…",
    help,
    fallback: fallback ?? [],
    fallbackText: (fallback ?? []).map(formatAddress).join(","),
    isRequired: fallback === undefined,
    parse: (value) => value.split(",").map((part) => readAddress(part.trim())),
  };
}
