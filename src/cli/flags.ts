import { parseArgs } from "node:util";
import { UserError } from "../base/errors.ts";
import type { Address } from "../node/network.ts";

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

export function environmentName(key: string): string {
  return `REGENT_${flagName(key).replaceAll("-", "_").toUpperCase()}`;
}

/**
 * Reads the flags of a subcommand from its arguments and, where one is missing, from the environment.
 *
 * @param words gets the arguments that are no flags; `null`: there may be none
 * @throws {UsageError} for an unknown flag, a wrong value, a missing one, or anything left over
 */
export function parseFlags<F extends Flags>(
  flags: F,
  args: readonly string[],
  environment: Environment,
  words: string[] | null = null,
): Values<F> {
  const options = Object.fromEntries(
    Object.entries(flags).map(([key, { placeholder, short, isRepeatable = false }]) => [
      flagName(key),
      {
        type: placeholder === null ? "boolean" as const : "string" as const,
        multiple: isRepeatable,
        ...(short === undefined ? {} : { short }),
      },
    ]),
  );
  const given = readArguments(options, args, words);
  const values: Record<string, unknown> = {};
  for (const [key, flag] of Object.entries(flags)) {
    const value = given[flagName(key)];
    const fromEnvironment = environment(environmentName(key));
    if (value !== undefined) {
      values[key] = valueOf(flag, `--${flagName(key)}`, value);
    } else if (fromEnvironment !== undefined && fromEnvironment !== "") {
      values[key] = parse(flag, environmentName(key), fromEnvironment);
    } else if (flag.isRequired) {
      throw new UsageError(
        `Cannot start without --${flagName(key)} ${flag.placeholder ?? ""}`.trim(),
      );
    } else values[key] = flag.fallback;
  }
  return values as Values<F>;
}

/**
 * Parts arguments before the first word that is neither a flag nor the value of one, so that what
 * follows it may look like flags.
 */
export function splitAtFirstWord(
  flags: Flags,
  args: readonly string[],
): [flags: readonly string[], words: readonly string[]] {
  const taking = Object.entries(flags).filter(([, { placeholder }]) => placeholder !== null);
  const names = taking.flatMap(([key, { short }]) => {
    return short === undefined ? [`--${flagName(key)}`] : [`--${flagName(key)}`, `-${short}`];
  });
  let at = 0;
  while (/^-./.test(args[at] ?? "") && args[at] !== "--") {
    at += names.includes(args[at] ?? "") ? 2 : 1;
  }
  return [args.slice(0, at), args.slice(args[at] === "--" ? at + 1 : at)];
}

type GivenFlag = string | boolean | readonly (string | boolean)[];
type GivenFlags = Readonly<Record<string, GivenFlag | undefined>>;

function readArguments(
  options: Record<string, { type: "boolean" | "string"; multiple: boolean; short?: string }>,
  args: readonly string[],
  words: string[] | null,
): GivenFlags {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      options,
      strict: false,
      allowPositionals: true,
      tokens: true,
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  for (const token of parsed.tokens) {
    if (token.kind === "positional") {
      if (words === null) throw new UsageError(`Cannot understand argument: ${token.value}`);
      words.push(token.value);
    }
    if (token.kind !== "option") continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    const names = [`--${token.name}`, `-${option?.short}`];
    if (option === undefined || !names.includes(token.rawName)) {
      throw new UsageError(`Cannot understand flag: ${token.rawName}`);
    }
    const isMissing = token.value === undefined || token.value.startsWith("--");
    if (option.type === "string" && isMissing) {
      throw new UsageError(`Cannot use ${token.rawName} without a value`);
    }
    if (option.type === "boolean" && token.value !== undefined) {
      throw new UsageError(`Cannot use ${token.rawName} with a value: it is a switch`);
    }
  }
  return parsed.values as GivenFlags;
}

function valueOf(flag: Flags[string], name: string, given: GivenFlag): unknown {
  if (flag.placeholder === null) return true;
  if (typeof given !== "object") return parse(flag, name, String(given));
  return given.flatMap((one) => parse(flag, name, String(one)));
}

function parse<T>(flag: Flag<T>, name: string, text: string): T {
  try {
    return flag.parse(text);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UsageError(`Cannot use ${name}: ${error.message}: current value is ${text}`);
  }
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

/** `HOST:PORT`; an IPv6 host stands in brackets. @throws {UserError} */
export function parseAddress(value: string): Address {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]]+)):([0-9]{1,5})$/i.exec(value);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65_535) {
    throw new UserError("expected HOST:PORT");
  }
  return { host: match[1] ?? match[2] ?? "", port };
}

/** What `parseAddress` reads. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
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
    parse: (value) => value.split(",").map((part) => parseAddress(part.trim())),
  };
}
