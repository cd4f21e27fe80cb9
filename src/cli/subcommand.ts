import { environmentName, flagName, type Flags, type Values } from "./flags.ts";

/** One word after `regent`. */
export interface Subcommand<F extends Flags = Flags> {
  readonly name: string;
  readonly summary: string;
  /** More about it, as paragraphs. */
  readonly description: string;
  readonly flags: F;
  readonly examples: readonly string[];
  /** @returns the exit code. @throws {UserError} for what the user can mend */
  run(values: Values<F>): Promise<number>;
}

/** Lets the compiler see that `run` gets the values of its own flags, then forgets them. */
export function subcommand<F extends Flags>(definition: Subcommand<F>): Subcommand {
  return definition as unknown as Subcommand;
}

/** The text of `regent NAME --help`. */
export function subcommandHelp({ name, description, flags, examples }: Subcommand): string {
  const lines = [`Usage: regent ${name} [flags]`, "", description, "", "Flags:"];
  for (const [key, flag] of Object.entries(flags)) {
    const left = `  --${flagName(key)}${flag.placeholder === null ? "" : ` ${flag.placeholder}`}`;
    const fallback = defaultText(flag);
    lines.push(left, `      ${flag.help}${fallback}  [${environmentName(key)}]`);
  }
  lines.push("  --help", "      Show this text", "", "Examples:");
  for (const example of examples) lines.push(`  ${example}`);
  return lines.join("\n");
}

function defaultText({ isRequired, fallback }: Flags[string]): string {
  if (isRequired) return " (required)";
  if (fallback === undefined || fallback === false || fallback === "") return "";
  return ` (default ${fallback})`;
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
