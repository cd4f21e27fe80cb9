import { environmentName, flagName, type Flags, type Values } from "./flags.ts";

const HELP_COLUMNS = 90;
const HELP_INDENT = " ".repeat(6);

/** One word after `regent`. */
export interface Subcommand<F extends Flags = Flags> {
  readonly name: string;
  readonly summary: string;
  /** More about it, as paragraphs. */
  readonly description: string;
  readonly flags: F;
  /** What follows the flags, as help shows it. @default nothing may follow */
  readonly words?: string;
  /** Whether the first word ends the flags, so that what follows may look like them. @default false */
  readonly isFreeAfterFirstWord?: boolean;
  readonly examples: readonly string[];
  /**
   * @param words what follows the flags
   * @returns the exit code
   * @throws {UsageError} when flags do not fit together
   * @throws {UserError} for what else the user can mend
   */
  run(values: Values<F>, words: readonly string[]): Promise<number>;
}

/** Lets the compiler see that `run` gets the values of its own flags, then forgets them. */
export function subcommand<F extends Flags>(definition: Subcommand<F>): Subcommand {
  return definition as unknown as Subcommand;
}

/** The text of `regent NAME --help`. */
export function subcommandHelp(subcommand: Subcommand): string {
  const { name, description, flags, examples, words } = subcommand;
  const usage = `Usage: regent ${name} [flags]${words === undefined ? "" : ` ${words}`}`;
  const lines = [usage, "", description, "", "Flags:"];
  for (const [key, flag] of Object.entries(flags)) {
    const short = flag.short === undefined ? "" : `-${flag.short}, `;
    const value = flag.placeholder === null ? "" : ` ${flag.placeholder}`;
    const left = `  ${short}--${flagName(key)}${value}`;
    const fallback = defaultText(flag);
    lines.push(left, ...wrap(`${flag.help}${fallback}  [${environmentName(key)}]`));
  }
  lines.push("  --help", "      Show this text", "", "Examples:");
  for (const example of examples) lines.push(`  ${example}`);
  return lines.join("\n");
}

/** Lines of words, indented, as a terminal shows them whole. */
function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = HELP_INDENT;
  for (const word of text.split(/(?<! ) /)) {
    if (line !== HELP_INDENT && line.length + 1 + word.length > HELP_COLUMNS) {
      lines.push(line);
      line = HELP_INDENT;
    }
    line += line === HELP_INDENT ? word.trimStart() : ` ${word}`;
  }
  return [...lines, line];
}

function defaultText({ isRequired, fallback, fallbackText }: Flags[string]): string {
  if (isRequired) return " (required)";
  const isPlain = typeof fallback === "string" || typeof fallback === "number";
  const text = fallbackText ?? (isPlain ? String(fallback) : "");
  return text === "" ? "" : ` (default ${text})`;
}

/** The text of `regent --help`. */
export function programHelp(subcommands: readonly Subcommand[]): string {
  return [
    "Regent: a strongly consistent store that speaks the Redis protocol",
    "",
    "Usage: regent COMMAND [flags]",
    "",
    "Commands:",
    ...subcommands.map(({ name, summary }) => `  ${name.padEnd(9)} ${summary}`),
    "",
    "`regent COMMAND --help` tells the flags of a command. Each flag has a twin in the environment:",
    "--raft-port is REGENT_RAFT_PORT.",
  ].join("\n");
}
