import { messageOf, UserError } from "../src/base/errors.ts";
import { commandOf, isHelp, valuesOf } from "../src/cli/command_line.ts";
import type { Flags, Values } from "../src/cli/flags.ts";

export interface Task<F extends Flags> {
  /** `deno task NAME` */
  readonly name: string;
  readonly about: string;
  readonly flags: F;
  /** @returns the exit code */
  run(values: Values<F>): Promise<number>;
}

/**
 * Runs a script of the project and ends the process. The exit code is 2, with one line on standard
 * error, if a flag is wrong; 1 if the script throws; otherwise the result of `run`. `--help` lists
 * the flags.
 */
export async function runTask<F extends Flags>(
  { name, about, flags, run }: Task<F>,
): Promise<never> {
  const command = commandOf(`deno task ${name}`, { flags, hasEnvironmentVariables: false })
    .description(about);
  try {
    command.parse(Deno.args, { from: "user" });
    Deno.exit(await run(valuesOf(command, flags, () => undefined)));
  } catch (error) {
    if (isHelp(error)) Deno.exit(error.exitCode);
    if (!(error instanceof UserError)) throw error;
    console.error(`${messageOf(error)}; \`deno task ${name} --help\` lists the flags`);
    Deno.exit(2);
  }
}
