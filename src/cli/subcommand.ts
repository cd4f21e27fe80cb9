import type { Command } from "commander";
import { commandOf, valuesOf } from "./command_line.ts";
import type { Environment, Flags, Values } from "./flags.ts";

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

/** A subcommand as the library knows it. */
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
