import { Command, CommanderError, Option } from "commander";
import { UserError } from "../base/errors.ts";
import {
  type Environment,
  environmentVariableOf,
  type Flag,
  flagName,
  type Flags,
  UsageError,
  type Values,
} from "./flags.ts";

/** Minimum width of a flag's help text, in columns. Commander does not wrap below it. */
const WRAPPED_COLUMNS_MIN = 20;

export interface CommandShape {
  readonly flags?: Flags;
  /** The arguments after the flags, as help shows them. @default none allowed */
  readonly words?: string | undefined;
  /** Whether environment variables can stand in for the flags. @default true */
  readonly hasEnvironmentVariables?: boolean;
}

/**
 * Builds a commander command with these flags. It throws where commander would end the process, and
 * needs no permissions.
 */
export function commandOf(
  name: string,
  { flags = {}, words, hasEnvironmentVariables = true }: CommandShape = {},
): Command {
  const command = new Command(name)
    .usage(words === undefined ? "[flags]" : `[flags] ${words}`)
    .allowExcessArguments(words !== undefined)
    .optionsGroup("Flags:")
    .helpOption("-h, --help", "Print this text")
    .configureHelp({
      minWidthToWrap: WRAPPED_COLUMNS_MIN,
      optionTerm: (option) => option.flags.replace(/[<>]/g, ""),
      subcommandTerm: (subcommand) => subcommand.name(),
    })
    .configureOutput({
      writeOut: print,
      writeErr: print, // the help text when no command is given; errors are thrown
      outputError: () => {},
      // By default commander reads the environment, which not every task is permitted to do.
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .exitOverride((error) => {
      throw isHelp(error) ? error : usageError(error, command, flags);
    });
  for (const [key, flag] of Object.entries(flags)) {
    command.addOption(optionOf(key, flag, hasEnvironmentVariables));
  }
  return command;
}

/** Whether the error only means that the help or the version was printed. */
export function isHelp(error: unknown): error is CommanderError {
  return error instanceof CommanderError && /^commander\.(help|version)/.test(error.code);
}

/**
 * The values of the flags after the command has parsed its arguments. For each flag it is the typed
 * value, else that of the environment variable, else the default.
 *
 * @throws {UsageError} for a wrong or missing value
 */
export function valuesOf<F extends Flags>(
  command: Command,
  flags: F,
  environment: Environment,
): Values<F> {
  const values: Record<string, unknown> = {};
  for (const [key, flag] of Object.entries(flags)) {
    const name = `--${flagName(key)}`;
    const typed: true | string | string[] | undefined = command.getOptionValue(key);
    const variable = typed === undefined ? environmentValue(key, flag, environment) : undefined;
    if (typed === true) values[key] = true;
    else if (typeof typed === "string") values[key] = parse(flag, name, typed);
    else if (typed !== undefined) values[key] = typed.flatMap((one) => parse(flag, name, one));
    else if (variable !== undefined && variable !== "") {
      values[key] = parse(flag, environmentVariableOf(key, flag), variable);
    } else if (!flag.isRequired) values[key] = flag.defaultValue;
    else throw new UsageError(`Cannot start without ${name} ${flag.placeholder ?? ""}`.trim());
  }
  return values as Values<F>;
}

/**
 * Parses arguments that consist of flags alone.
 *
 * @throws {UsageError} for an unknown flag, a wrong or missing value, or anything left over
 */
export function parseFlags<F extends Flags>(
  flags: F,
  args: readonly string[],
  environment: Environment,
): Values<F> {
  const command = commandOf("regent", { flags }).parse([...args], { from: "user" });
  return valuesOf(command, flags, environment);
}

function print(text: string): void {
  console.log(text.replace(/\n$/, ""));
}

function optionOf(key: string, flag: Flags[string], hasEnvironmentVariable: boolean): Option {
  const { short, placeholder, help, isTypedOnly = false, isRepeatable = false } = flag;
  const name = `--${flagName(key)}`;
  const names = short === undefined ? name : `-${short}, ${name}`;
  const variable = hasEnvironmentVariable && !isTypedOnly
    ? ` [${environmentVariableOf(key, flag)}]`
    : "";
  const description = `${help}${defaultNote(flag)}${variable}`;
  const option = new Option(
    placeholder === null ? names : `${names} <${placeholder}>`,
    description,
  );
  option.negate = false; // `--no-raw` is a flag of its own, not the opposite of `--raw`
  if (placeholder === null) return option;
  return option.argParser<string | string[]>((word, words = []) => {
    // Commander takes any next word as the value, even a flag.
    if (word.startsWith("--")) throw new UsageError(`Cannot use ${name} without a value`);
    return isRepeatable ? [words, word].flat() : word;
  });
}

function defaultNote({ isRequired, defaultValue, defaultText }: Flags[string]): string {
  if (isRequired) return " (required)";
  const isPlain = typeof defaultValue === "string" || typeof defaultValue === "number";
  const text = defaultText ?? (isPlain ? String(defaultValue) : "");
  return text === "" ? "" : ` (default ${text})`;
}

/** Rewords an error of commander, in one line. */
function usageError({ code, message }: CommanderError, command: Command, flags: Flags): UsageError {
  const [, subject = "", hint] = /'(.*)'(?:\n\(D(.*)\)| argument missing)?$/s.exec(message) ?? [];
  const suggestion = hint === undefined ? "" : ` (d${hint})`;
  switch (code) {
    case "commander.unknownOption": {
      const [name = "", value] = subject.split("=", 2);
      if (value === undefined) {
        return new UsageError(`Unknown flag: ${name}${suggestion}`);
      }
      if (command.options.some(({ long }) => name === long)) {
        return new UsageError(`Cannot use ${name} with a value: it is a switch`);
      }
      // Commander suggests nothing for `--name=value`, so this parses the name alone.
      commandOf(command.name(), { flags }).parse([name], { from: "user" });
      return new UsageError(`Unknown flag: ${subject}`);
    }
    case "commander.unknownCommand":
      return new UsageError(`Unknown command: ${subject}${suggestion}`);
    case "commander.optionMissingArgument":
      return new UsageError(`Cannot use ${/--[^ ]+/.exec(subject)?.[0]} without a value`);
    case "commander.excessArguments":
      return new UsageError(`Unexpected argument: ${command.args[0]}`);
    default:
      return new UsageError(message);
  }
}

/**
 * The value of a flag's environment variable. Commander could read it too, but directly from the
 * process, for which a task may lack the permission. It would also accept an empty variable as a
 * value, and any value of a switch as `true`.
 *
 * Kubernetes sets variables such as `REGENT_PORT=tcp://10.0.0.1:7001` in every container that runs
 * in one namespace with a service called regent. Such values are not meant for flags.
 */
function environmentValue(
  key: string,
  flag: Flags[string],
  environment: Environment,
): string | undefined {
  if (flag.isTypedOnly === true) return undefined;
  const name = environmentVariableOf(key, flag);
  const value = environment(name);
  if (value === undefined || !/^(tcp|udp|sctp):\/\//.test(value)) return value;
  console.error(`regent: ignores ${name}=${value}, which Kubernetes sets for a service`);
  return undefined;
}

function parse<T>(flag: Flag<T>, name: string, text: string): T {
  try {
    return flag.parse(text);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UsageError(`Cannot use ${name}: ${error.message}: current value is ${text}`);
  }
}

/** A subcommand of `regent`. */
export interface Subcommand<F extends Flags = Flags> {
  readonly name: string;
  readonly summary: string;
  /** The description in help, as paragraphs. */
  readonly description: string;
  readonly flags: F;
  /** The arguments after the flags, as help shows them. @default none allowed */
  readonly words?: string;
  /**
   * Whether the first word ends the flags, so that later words may look like flags. @default false
   */
  readonly isFreeAfterFirstWord?: boolean;
  readonly examples: readonly string[];
  /**
   * @param words arguments after the flags
   * @returns the exit code
   * @throws {UsageError} when flags do not fit together
   * @throws {UserError} for anything else that the user can fix
   */
  run(values: Values<F>, words: readonly string[]): Promise<number>;
}

/** Makes the compiler check that `run` gets the values of its own flags, and drops their types. */
export function subcommand<F extends Flags>(definition: Subcommand<F>): Subcommand {
  return definition as unknown as Subcommand;
}

/** Builds the commander command of a subcommand. */
export function commandFor(
  subcommand: Subcommand,
  environment: Environment,
  onEnd: (exitCode: number) => void,
): Command {
  const { name, summary, description, flags, words, examples } = subcommand;
  const command = commandOf(name, { flags, words })
    .summary(summary)
    .description(description)
    .addHelpText("after", ["\nExamples:", ...examples.map((one) => `  ${one}`)].join("\n"))
    .passThroughOptions(subcommand.isFreeAfterFirstWord === true)
    .action(async () => {
      onEnd(await subcommand.run(valuesOf(command, flags, environment), command.args));
    });
  return command;
}
