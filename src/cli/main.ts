import { messageOf, UserError } from "../base/errors.ts";
import { REGENT_VERSION } from "../base/version.ts";
import { backupSubcommand } from "./backup.ts";
import { certsSubcommand } from "./certs.ts";
import { cliSubcommand } from "./cli.ts";
import { clusterSubcommand } from "./cluster.ts";
import { commandFor, commandOf, isHelp, type Subcommand } from "./command_line.ts";
import { faultSubcommand } from "./fault.ts";
import { filesSubcommand } from "./files.ts";
import { type Environment, UsageError } from "./flags.ts";
import { getSubcommand } from "./get.ts";
import { logSubcommand } from "./log.ts";
import { nodeSubcommand } from "./node.ts";
import { proxySubcommand } from "./proxy.ts";
import { putSubcommand } from "./put.ts";
import { recoverSubcommand } from "./recover.ts";
import { removeSubcommand, transferSubcommand } from "./remove_and_transfer.ts";
import { restoreSubcommand } from "./restore.ts";
import { statusSubcommand } from "./status.ts";
import { userSubcommand } from "./user.ts";

const VERSION = `regent ${REGENT_VERSION}`;
const USAGE_EXIT_CODE = 2;

const SUBCOMMANDS: readonly Subcommand[] = [
  nodeSubcommand,
  proxySubcommand,
  clusterSubcommand,
  statusSubcommand,
  putSubcommand,
  getSubcommand,
  filesSubcommand,
  removeSubcommand,
  transferSubcommand,
  backupSubcommand,
  restoreSubcommand,
  recoverSubcommand,
  logSubcommand,
  cliSubcommand,
  certsSubcommand,
  userSubcommand,
  faultSubcommand,
];

const ENVIRONMENT_NOTE =
  "`regent COMMAND --help` lists the flags of a command. Instead of a flag, you can\n" +
  "set an environment variable, such as REGENT_RAFT_PORT for --raft-port, except for\n" +
  "--yes and --force.";

/**
 * Runs the command line.
 *
 * @param subcommands all subcommands. @default those of this program
 * @returns the exit code: 0 success, 1 failure, 2 wrong command line
 */
export async function main(
  args: readonly string[],
  environment: Environment,
  subcommands: readonly Subcommand[] = SUBCOMMANDS,
): Promise<number> {
  let exitCode = 0;
  const version = commandOf("version")
    .summary("print the version of this program, as --version does")
    .action(() => console.log(VERSION));
  const program = commandOf("regent")
    .usage("COMMAND [flags]")
    .description("Regent: a strongly consistent store that speaks the Redis protocol")
    .version(VERSION, "--version", "Print the version of this program")
    .helpCommand("help", "print the flags of a command: `regent help COMMAND`")
    .enablePositionalOptions() // flags after a command belong to that command
    .addHelpText("after", `\n${ENVIRONMENT_NOTE}`);
  for (const one of subcommands) {
    program.addCommand(commandFor(one, environment, (code) => exitCode = code));
  }
  program.addCommand(version);

  const isHelpFor = args[0] === "help" && args.length > 1;
  const [name = ""] = isHelpFor ? args.slice(1) : args;
  const isKnown = program.commands.some((command) => command.name() === name);
  // For `help` or `--help` with an unknown command, commander would print the general help.
  const words = isKnown || args.length === 0 ? args : [name];
  try {
    await program.parseAsync([...words], { from: "user" });
    return exitCode;
  } catch (error) {
    if (isHelp(error)) return error.exitCode === 0 ? 0 : USAGE_EXIT_CODE;
    if (!(error instanceof UserError)) throw error;
    if (!(error instanceof UsageError)) return fail(messageOf(error), 1);
    const more = isKnown ? `${name} --help\` lists the flags` : "--help` lists commands and flags";
    return fail(`${error.message}. \`regent ${more}`, USAGE_EXIT_CODE);
  }
}

function fail(message: string, code: number): number {
  console.error(`regent: ${message}`);
  return code;
}
