import { messageOf, UserError } from "../src/base/errors.ts";
import { flagName, type Flags, parseFlags, type Values } from "../src/cli/flags.ts";

export interface Task<F extends Flags> {
  /** `deno task NAME` */
  readonly name: string;
  readonly about: string;
  readonly flags: F;
  /** @returns the exit code */
  run(values: Values<F>): Promise<number>;
}

/**
 * Runs a script of the project and ends the process: with 2 and one line when a flag is wrong, with
 * 1 when it cannot go on, otherwise with what `run` says. `--help` tells the flags.
 */
export async function runTask<F extends Flags>(task: Task<F>): Promise<never> {
  if (Deno.args.includes("--help")) {
    console.log(help(task));
    Deno.exit(0);
  }
  try {
    Deno.exit(await task.run(parseFlags(task.flags, Deno.args, () => undefined)));
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    console.error(`${messageOf(error)}; \`deno task ${task.name} --help\` tells the flags`);
    Deno.exit(2);
  }
}

function help({ name, about, flags }: Task<Flags>): string {
  const rows = Object.entries(flags).flatMap(([key, { placeholder, help, fallback }]) => {
    const isPlain = typeof fallback === "number" || (typeof fallback === "string" && fallback);
    return [
      `  --${flagName(key)}${placeholder === null ? "" : ` ${placeholder}`}`,
      `      ${help}${isPlain ? ` (default ${fallback})` : ""}`,
    ];
  });
  return [about, "", `Usage: deno task ${name} [flags]`, "", ...rows].join("\n");
}
