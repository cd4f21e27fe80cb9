import type { Random } from "../../src/base/random.ts";
import type { Command } from "../../src/commands/command.ts";
import { COMMANDS } from "../../src/commands/table.ts";
import { NastyValues } from "./nasty_values.ts";

/** All commands that Redis has too. Regent's own are those since its versions 0.x. */
export const REDIS_COMMANDS: readonly Command[] = COMMANDS.filter(({ since }) =>
  !since.startsWith("0.")
);

/**
 * How the two replies to a request must agree:
 * - `bytes`: they are the same
 * - `set`: arrays with the same elements in any order
 * - `scan`: cursor 0, and then as with `set`
 * - `key`: both are keys that exist, or both are null
 * - `remaining…`: the same, or times that differ by little
 * - `deadline…`: the same, or near deadlines that differ by little
 */
export type Agreement =
  | "bytes"
  | "set"
  | "scan"
  | "key"
  | "remainingSeconds"
  | "remainingMilliseconds"
  | "deadlineSeconds"
  | "deadlineMilliseconds";

export interface GeneratedRequest {
  readonly args: readonly string[];
  readonly agreement: Agreement;
}

const AGREEMENTS: ReadonlyMap<string, Agreement> = new Map<string, Agreement>([
  ["keys", "set"],
  ["randomkey", "key"],
  ["ttl", "remainingSeconds"],
  ["expiretime", "deadlineSeconds"],
  ["pttl", "remainingMilliseconds"],
  ["pexpiretime", "deadlineMilliseconds"],
]);

/** Deadlines in the distant past and future, so that both servers judge them alike at any time. */
const ABSOLUTE_SECONDS = [
  "-5",
  "0",
  "1",
  "1000000000",
  "20000000000",
  "20000000001",
  "30000000000",
];
const ABSOLUTE_MILLISECONDS = [
  ..."-5 0 1 1000000000000 20000000000000 20000000000001 20000000000500".split(" "),
  ..."30000000000000 9007199254740991 9007199254740993 9223372036854770000".split(" "),
];
const OPTION_WORDS = "NX XX GET KEEPTTL PERSIST EX PX EXAT PXAT GT LT REPLACE DB COUNT MATCH".split(
  " ",
);

/**
 * Generates requests for all commands that read or write: most are valid, many have a small error.
 */
export class CommandGenerator {
  readonly #values: NastyValues;
  readonly #commands = REDIS_COMMANDS.filter(({ kind }) => kind !== "local");

  constructor(random: Random) {
    this.#values = new NastyValues(random);
  }

  next(): GeneratedRequest {
    const values = this.#values;
    if (values.chance(0.01)) return { args: this.#unknownCommand(), agreement: "bytes" };
    const command = values.oneOf(this.#commands);
    const { name } = command;
    if (name.startsWith("flush") && values.chance(0.97)) return this.next();
    let args = this.#argumentsFor(command);
    // One more argument could turn a whole scan into a partial one, with a cursor of the server's
    // own.
    if (name !== "scan" && values.chance(0.03)) {
      args = values.chance(0.5) ? args.slice(1) : [...args, values.value()];
    }
    const agreement = name === "scan" && args[0] === "0" && args.includes("1000000")
      ? "scan"
      : AGREEMENTS.get(name) ?? "bytes";
    return { args: [values.anyCase(name), ...args], agreement };
  }

  /** Arguments that exercise a command better than random keys and values. */
  #argumentsFor(command: Command): string[] {
    const values = this.#values;
    switch (command.name) {
      case "set":
        return [values.key(), values.value(), ...this.#options(["NX", "XX", "GET", "KEEPTTL"])];
      case "getex":
        return [values.key(), ...this.#options(["PERSIST"])];
      case "setex":
        return [values.key(), this.#amount("EX"), values.value()];
      case "psetex":
        return [values.key(), this.#amount("PX"), values.value()];
      case "setrange":
        return [values.key(), this.#offset(), values.value()];
      case "getrange":
      case "substr":
        return [values.key(), this.#index(), this.#index()];
      case "incrby":
      case "decrby":
        return [values.key(), values.integer()];
      case "incrbyfloat":
        return [values.key(), values.float()];
      case "expire":
        return this.#expire("EX");
      case "pexpire":
        return this.#expire("PX");
      case "expireat":
        return this.#expire("EXAT");
      case "pexpireat":
        return this.#expire("PXAT");
      case "copy":
        return [values.key(), values.key(), ...this.#copyOptions()];
      case "keys":
        return [values.pattern()];
      case "scan":
        return this.#scan();
      case "flushall":
      case "flushdb":
        return values.oneOf([[], [], ["async"], ["SYNC"], ["x"], ["sync", "sync"]]);
      default:
        return this.#argumentsByRow(command);
    }
  }

  /** As many arguments as the row's arity says: keys in the row's places, values elsewhere. */
  #argumentsByRow({ arity, keys }: Command): string[] {
    const values = this.#values;
    if (keys !== null && keys.last < 0) {
      return this.#several(() => [
        values.key(),
        ...Array.from({ length: keys.step - 1 }, () => values.value()),
      ]);
    }
    const isKey = (at: number) => keys !== null && at >= keys.first && at <= keys.last;
    return Array.from(
      { length: Math.abs(arity) - 1 },
      (_, at) => isKey(at + 1) ? values.key() : values.value(),
    );
  }

  #several(make: () => string[]): string[] {
    return Array.from({ length: 1 + this.#values.integerBelow(4) }, make).flat();
  }

  /** Options of `SET` or `GETEX`, in any order and combination. */
  #options(words: readonly string[]): string[] {
    const values = this.#values;
    const found: string[] = [];
    while (values.chance(0.4)) {
      const word = values.chance(0.05)
        ? values.oneOf([...OPTION_WORDS, values.value()])
        : values.oneOf([...words, "EX", "PX", "EXAT", "PXAT"]);
      found.push(values.anyCase(word));
      if (/^(EX|PX)/.test(word) && values.chance(0.97)) found.push(this.#amount(word));
    }
    return found;
  }

  #expire(unit: string): string[] {
    const values = this.#values;
    const args = [values.key(), this.#amount(unit)];
    while (values.chance(0.3)) {
      const word = values.chance(0.05) ? values.value() : values.oneOf(["NX", "XX", "GT", "LT"]);
      args.push(values.anyCase(word));
    }
    return args;
  }

  /** Amounts of time for which no delay between the two servers can change the outcome. */
  #amount(unit: string): string {
    const values = this.#values;
    if (values.chance(0.05)) return values.oneOf(["abc", "", "1.5", "-9223372036854775808"]);
    if (values.chance(0.05)) {
      return unit.endsWith("AT") ? "9223372036854770" : "9223372036854775807";
    }
    if (unit === "EXAT") return values.oneOf(ABSOLUTE_SECONDS);
    if (unit === "PXAT") return values.oneOf(ABSOLUTE_MILLISECONDS);
    if (values.chance(0.1)) return values.oneOf(["0", "-1", "-1000000000000"]);
    const seconds = 1000 + values.integerBelow(1_000_000_000);
    return String(unit === "EX" ? seconds : seconds * 1000);
  }

  #offset(): string {
    const values = this.#values;
    if (values.chance(0.2)) return values.oneOf(["-1", "x", "536870912", "9223372036854775807"]);
    return String(values.integerBelow(values.chance(0.5) ? 10 : 500));
  }

  #index(): string {
    return this.#values.chance(0.2)
      ? this.#values.integer()
      : String(this.#values.integerBelow(20) - 10);
  }

  #copyOptions(): string[] {
    const values = this.#values;
    const args: string[] = [];
    while (values.chance(0.4)) {
      if (values.chance(0.6)) args.push(values.anyCase("REPLACE"));
      else args.push(values.anyCase("DB"), values.chance(0.6) ? "0" : values.integer());
      if (values.chance(0.05)) args.push(values.value());
    }
    return args;
  }

  /** A whole scan in one step, or one that must fail. */
  #scan(): string[] {
    const values = this.#values;
    const args: string[] = [];
    if (values.chance(0.5)) args.push(values.anyCase("MATCH"), values.pattern());
    if (values.chance(0.3)) {
      args.push(values.anyCase("TYPE"), values.oneOf(["string", "STRING", "list", ""]));
    }
    args.push(values.anyCase("COUNT"), "1000000");
    if (values.chance(0.8)) return ["0", ...args];
    const cursor = values.oneOf(["x", "1x", " 0", "18446744073709551616", "0 "]);
    const wrong = values.oneOf([["COUNT", "0"], ["COUNT", "x"], ["COUNT"], ["MATCH"], [
      "FOO",
      "1",
    ]]);
    return values.chance(0.5) ? [cursor, ...args] : ["0", ...wrong];
  }

  #unknownCommand(): string[] {
    const values = this.#values;
    const name = values.oneOf(["nosuch", "GETT", "", "x".repeat(200), "a\r\nb", "g\xebt"]);
    return [name, ...this.#several(() => [values.value()]).slice(values.integerBelow(5))];
  }
}
