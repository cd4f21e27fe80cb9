import type { Mutant } from "../mutant.ts";

const COMMAND_LINE = "src/cli/command_line.ts";
const HELP_TEST = "tests/e2e/cli/help_test.ts";

/** Where the command line must differ from its library. */
export const commandLineMutants: readonly Mutant[] = [
  {
    name: "yes-from-the-environment",
    bug: "a variable that was set once answers every question before a recovery or removal",
    file: COMMAND_LINE,
    find: "if (flag.isTypedOnly === true) return undefined;",
    replace: "if (flag.isTypedOnly === null) return undefined;",
    killers: ["src/cli/flags_test.ts"],
  },
  {
    name: "kubernetes-sets-a-flag",
    bug: "a node in a pod beside a service called regent does not start: REGENT_PORT is an address",
    file: COMMAND_LINE,
    find: "if (value === undefined || !/^(tcp|udp|sctp):",
    replace: "if (value === undefined || !/^(udp|sctp):",
    killers: ["src/cli/flags_test.ts"],
  },
  {
    name: "flag-as-a-value",
    bug: "--id without its value takes the flag that follows, and the node is called --port",
    file: COMMAND_LINE,
    find: 'if (word.startsWith("--")) throw',
    replace: 'if (word.startsWith("---")) throw',
    killers: ["src/cli/flags_test.ts"],
  },
  {
    name: "suggestion-lost-with-a-value",
    bug: "a mistyped flag gets a suggestion when its value follows a space, but not after =",
    file: COMMAND_LINE,
    find: 'commandOf(command.name(), { flags }).parse([name], { from: "user" });',
    replace: "void commandOf(command.name(), { flags });",
    killers: ["src/cli/flags_test.ts"],
  },
  {
    name: "wrong-flag-runs-the-command",
    bug: "`regent cluster --=x` starts a cluster while it looks for a flag to suggest",
    file: COMMAND_LINE,
    find: "commandOf(command.name(), { flags }).parse(",
    replace: "(flags && command).parse(",
    killers: ["src/cli/command_line_test.ts"],
  },
  {
    name: "no-raw-takes-raw-back",
    bug:
      "--no-raw is read as raw = false, and a reply goes into a file in a format that no program expects",
    file: COMMAND_LINE,
    find: "option.negate = false;",
    replace: 'option.negate = name.startsWith("--no-");',
    killers: ["src/cli/command_line_test.ts"],
  },
  {
    name: "help-that-asks-for-the-environment",
    bug:
      "--help of a task without permissions ends with a stack trace, or asks for the environment",
    file: COMMAND_LINE,
    find: "getOutHasColors: () => false,",
    replace: "",
    killers: ["tests/e2e/cli/cold_start_test.ts"],
  },
  {
    name: "help-instead-of-unknown-command",
    bug:
      "a script that calls a command of another version with --help takes it for an existing one",
    file: "src/cli/main.ts",
    find: "const words = isKnown || args.length === 0 ? args : [name];",
    replace: "const words = args;",
    killers: [HELP_TEST],
  },
  {
    name: "pipe-reads-ahead",
    bug: "regent cli --pipe reads its whole input into memory when the server is slow",
    file: "src/cli/client/pipe_requests.ts",
    find: "if (this.#socket.write(bytes) || this.#hasEnded) return;",
    replace: "this.#socket.write(bytes); if (this.#options !== null) return;",
    killers: ["src/cli/client/pipe_requests_test.ts"],
  },
];
