import { messageOf, UserError } from "../base/errors.ts";
import { REGENT_VERSION } from "../server/version.ts";
import { backupSubcommand } from "./backup.ts";
import { cliSubcommand } from "./cli.ts";
import { clusterSubcommand } from "./cluster.ts";
import { faultSubcommand } from "./fault.ts";
import { type Environment, parseFlags, splitAtFirstWord, UsageError } from "./flags.ts";
import { logSubcommand } from "./log.ts";
import { nodeSubcommand } from "./node.ts";
import { proxySubcommand } from "./proxy.ts";
import { recoverSubcommand } from "./recover.ts";
import { removeSubcommand, transferSubcommand } from "./remove.ts";
import { restoreSubcommand } from "./restore.ts";
import { statusSubcommand } from "./status.ts";
import { programHelp, type Subcommand, subcommandHelp } from "./subcommand.ts";

const SUBCOMMANDS: readonly Subcommand[] = [
  nodeSubcommand,
  proxySubcommand,
  clusterSubcommand,
  statusSubcommand,
  removeSubcommand,
  transferSubcommand,
  backupSubcommand,
  restoreSubcommand,
  recoverSubcommand,
  logSubcommand,
  cliSubcommand,
  faultSubcommand,
];

const HELP_WORDS = ["--help", "-h", "help"];

/**
 * The command line.
 *
 * @returns the exit code: 0 fine, 1 the work failed, 2 the command line is wrong
 */
export async function main(args: readonly string[], environment: Environment): Promise<number> {
  const [name, ...rest] = args;
  if (name === "help" && rest[0] !== undefined) return await main([rest[0], "--help"], environment);
  if (name === undefined || HELP_WORDS.includes(name)) {
    console.log(programHelp(SUBCOMMANDS));
    return name === undefined ? 2 : 0;
  }
  if (name === "--version" || name === "version") {
    console.log(`regent ${REGENT_VERSION}`);
    return 0;
  }
  const subcommand = SUBCOMMANDS.find((one) => one.name === name);
  if (subcommand === undefined) {
    return fail(`Unknown command: ${name}. \`regent --help\` lists them`, 2);
  }
  const { flags, isFreeAfterFirstWord = false } = subcommand;
  const [given, free] = isFreeAfterFirstWord ? splitAtFirstWord(flags, rest) : [rest, []];
  const isTaken = Object.values(flags).some(({ short }) => short === "h");
  if (given.some((argument) => argument === "--help" || (argument === "-h" && !isTaken))) {
    console.log(subcommandHelp(subcommand));
    return 0;
  }
  try {
    const words: string[] | null = subcommand.words === undefined ? null : [];
    const values = parseFlags(flags, given, environment, words);
    return await subcommand.run(values, [...words ?? [], ...free]);
  } catch (error) {
    if (error instanceof UsageError) {
      return fail(`${error.message}. \`regent ${name} --help\` tells the flags`, 2);
    }
    if (!(error instanceof UserError)) throw error;
    return fail(messageOf(error), 1);
  }
}

function fail(message: string, code: number): number {
  console.error(`regent: ${message}`);
  return code;
}
