import { type Address, formatAddress, parseAddress, parseHost } from "../base/address.ts";
import { UserError } from "../base/errors.ts";

/** A wrong command line. The program prints a pointer to the help, and exits with 2. */
export class UsageError extends UserError {
  override name = "UsageError";
}

/** A flag of a subcommand. Its name is its key in `Flags`, in kebab case. */
export interface Flag<T> {
  /** Placeholder of the value in help; `null` for a switch. */
  readonly placeholder: string | null;
  /** One-letter alias, such as `-p` for `--port`. @default none */
  readonly short?: string;
  readonly help: string;
  /** Value when the flag is absent; `undefined` for an optional flag without a default. */
  readonly defaultValue: T;
  /** The default in help. @default the value itself if it is a string or a number */
  readonly defaultText?: string;
  readonly isRequired: boolean;
  /** Whether the values of repeated flags form a list. @default false: the last value counts */
  readonly isRepeatable?: boolean;
  /** Whether no environment variable can stand in for the flag. @default false */
  readonly isTypedOnly?: boolean;
  /** The environment variable. @default `REGENT_` and the flag's name */
  readonly environment?: string;
  /** @throws {UserError} saying what is expected */
  readonly parse: (text: string) => T;
}

// deno-lint-ignore no-explicit-any -- the type of each flag's value stays known in `Values`
export type Flags = Readonly<Record<string, Flag<any>>>;

export type Values<F extends Flags> = {
  readonly [Name in keyof F]: F[Name] extends Flag<infer T> ? T : never;
};

/**
 * Looks up environment variables that stand in for flags, as `REGENT_RAFT_PORT` for `--raft-port`.
 */
export type Environment = (name: string) => string | undefined;

export function flagName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The environment variable that stands in for a flag. */
export function environmentVariableOf(key: string, { environment }: Flags[string]): string {
  return environment ?? `REGENT_${flagName(key).replaceAll("-", "_").toUpperCase()}`;
}

interface Common {
  readonly help: string;
}

/** Gives a flag a one-letter alias. */
export function withShort<T>(short: string, flag: Flag<T>): Flag<T> {
  return { ...flag, short };
}

/** Makes a flag repeatable. */
export function repeatable<T>(flag: Flag<T>): Flag<readonly T[]> {
  return {
    ...flag,
    defaultValue: [],
    isRepeatable: true,
    parse: (value) => [flag.parse(value)],
  };
}

/** Makes a flag ignore its environment variable, for flags that switch off a safeguard. */
export function typedOnly<T>(flag: Flag<T>): Flag<T> {
  return { ...flag, isTypedOnly: true };
}

/** Makes a flag optional, without a default. */
export function optional<T>(flag: Flag<T>): Flag<T | undefined> {
  return { ...flag, defaultValue: undefined, isRequired: false };
}

export function text(
  placeholder: string,
  { help, defaultValue }: Common & { readonly defaultValue?: string },
): Flag<string> {
  return {
    placeholder,
    help,
    defaultValue: defaultValue ?? "",
    isRequired: defaultValue === undefined,
    parse: (value) => value,
  };
}

export function toggle({ help }: Common): Flag<boolean> {
  return {
    placeholder: null,
    help,
    defaultValue: false,
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
  { help, defaultValue, min, max }: Common & {
    readonly defaultValue?: number;
    readonly min: number;
    readonly max: number;
  },
): Flag<number> {
  return {
    placeholder,
    help,
    defaultValue: defaultValue ?? 0,
    isRequired: defaultValue === undefined,
    parse(value) {
      const number = Number(value);
      if (!/^[0-9]+$/.test(value) || number < min || number > max) {
        throw new UserError(`expected a whole number from ${min} to ${max}`);
      }
      return number;
    },
  };
}

/** A flag for a number that need not be whole. */
export function decimal(
  placeholder: string,
  { help, defaultValue, min, max }: Common & {
    readonly defaultValue: number;
    readonly min: number;
    readonly max: number;
  },
): Flag<number> {
  return {
    placeholder,
    help,
    defaultValue,
    isRequired: false,
    parse(value) {
      const number = Number(value);
      if (!/^[0-9]+(\.[0-9]+)?$/.test(value) || number < min || number > max) {
        throw new UserError(`expected a number from ${min} to ${max}, such as 0.5`);
      }
      return number;
    },
  };
}

export function port(common: Common & { readonly defaultValue?: number }): Flag<number> {
  return integer("PORT", { ...common, min: 1, max: 65_535 });
}

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** A flag for a size: `1048576`, `512k`, `64m`, `1g`. */
export function bytes(
  { help, defaultValue, min, max }: Common & {
    readonly defaultValue: number;
    readonly min: number;
    readonly max: number;
  },
): Flag<number> {
  return {
    placeholder: "BYTES",
    help,
    defaultValue,
    defaultText: sizeText(defaultValue),
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

/** Formats a size for `bytes`, in the largest unit that divides it. */
function sizeText(sizeBytes: number): string {
  const unit = ["g", "m", "k"].find((unit) =>
    sizeBytes % (UNITS[unit] ?? 1) === 0 && sizeBytes > 0
  );
  return unit === undefined ? String(sizeBytes) : `${sizeBytes / (UNITS[unit] ?? 1)}${unit}`;
}

export function choice<T extends string>(
  values: readonly T[],
  { help, defaultValue }: Common & { readonly defaultValue: T },
): Flag<T> {
  return {
    placeholder: values.join("|"),
    help,
    defaultValue,
    isRequired: false,
    parse(value) {
      const found = values.find((one) => one === value);
      if (found === undefined) throw new UserError(`expected ${values.join(" or ")}`);
      return found;
    },
  };
}

/** A flag for the path of a directory. */
export function directoryFlag(
  { help, defaultValue }: Common & { readonly defaultValue?: string },
): Flag<string> {
  return {
    ...text("DIR", { help, ...(defaultValue === undefined ? {} : { defaultValue }) }),
    parse(value) {
      if (value === "") throw new UserError("expected a directory");
      return value;
    },
  };
}

/** A flag for a host to listen on or to connect to. */
export function hostFlag(
  { help, defaultValue }: Common & { readonly defaultValue: string },
): Flag<string> {
  return {
    ...text("HOST", { help, defaultValue }),
    parse(value) {
      const parsed = parseHost(value);
      if (parsed === null) throw new UserError("expected a name or an IP address");
      return parsed;
    },
  };
}

/** A flag for `HOST:PORT`. */
export function addressFlag({ help }: Common): Flag<Address> {
  return {
    ...text("HOST:PORT", { help }),
    defaultValue: { host: "", port: 0 },
    parse: readAddress,
  };
}

/** @throws {UserError} when the text is no address */
export function readAddress(value: string): Address {
  const parsed = parseAddress(value);
  if (parsed === null) throw new UserError("expected HOST:PORT");
  return parsed;
}

export function addressList(
  { help, defaultValue }: Common & { readonly defaultValue?: readonly Address[] },
): Flag<readonly Address[]> {
  return {
    placeholder: "HOST:PORT,…",
    help,
    defaultValue: defaultValue ?? [],
    defaultText: (defaultValue ?? []).map(formatAddress).join(","),
    isRequired: defaultValue === undefined,
    parse: (value) => value.split(",").map((part) => readAddress(part.trim())),
  };
}
