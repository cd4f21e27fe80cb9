import type { Command } from "commander";
import { commandOf, valuesOf } from "./command_line.ts";
import type { Environment, Flags, Values } from "./flags.ts";

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

/** Registers a subcommand with the library. */
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
