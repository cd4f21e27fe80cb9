import process from "node:process";
import { formatAddress } from "../base/address.ts";
import { UserError } from "../base/errors.ts";
import type { Address } from "../platform/network.ts";
import { endingSignal } from "../platform/process.ts";
import { ErrorReply, type PushReply } from "../resp/reply.ts";
import { ClientConnection, runScript } from "./client/client_connection.ts";
import { InteractiveSession } from "./client/interactive_session.ts";
import { pipeRequests } from "./client/pipe_requests.ts";
import { type ReplyStyle, standardOutput, styledReply, writePieces } from "./client/replies.ts";
import {
  bytesOfText,
  CommandHistory,
  standardInput,
  TerminalInput,
  textOfBytes,
} from "./client/typed_lines.ts";
import { connectingSubcommand } from "./connecting.ts";
import { hostFlag, integer, port as portFlag, toggle, UsageError, withShort } from "./flags.ts";
import { logIn, logInFlags } from "./log_in.ts";

const ERRORS_SHOWN_MAX = 10;

export const cliSubcommand = connectingSubcommand({
  name: "cli",
  summary: "send commands to a node or proxy: typed at a prompt, as arguments, or from a file",
  description:
    "Sends commands to a node or proxy. With COMMAND, it sends that command. Without COMMAND, it " +
    "reads commands from standard input, one a line. On a terminal it has a prompt, completion " +
    "and a history (~/.regentcli_history, without lines that contain passwords). The exit code " +
    "is 1 if the reply to COMMAND, or to any line of a file or pipe, was an error.\n" +
    "\n" +
    "Replies are printed with their types on a terminal, and raw otherwise.",
  flags: {
    host: withShort(
      "h",
      hostFlag({ help: "Host of the node or proxy", defaultValue: "127.0.0.1" }),
    ),
    port: withShort("p", portFlag({ help: "Port of the node or proxy", defaultValue: 7000 })),
    resp3: withShort("3", toggle({ help: "Use RESP3, with maps and pushes, instead of RESP2" })),
    raw: toggle({ help: "Print replies raw, even on a terminal" }),
    noRaw: toggle({ help: "Print replies with their types, even to a file or pipe" }),
    pipe: toggle({
      help: "Send standard input, inline commands or RESP of any size, without waiting for each " +
        "reply; print the number of errors and replies, and exit with 1 if there were errors",
    }),
    pipeTimeout: integer("SECONDS", {
      help: "With --pipe, give up after this many seconds without progress of the server; 0: never",
      defaultValue: 30,
      min: 0,
      max: 86_400,
    }),
    ...logInFlags,
  },
  words: "[COMMAND [ARGUMENT…]]",
  isFreeAfterFirstWord: true,
  examples: [
    "regent cli",
    "regent cli -p 7001 SET greeting hello",
    "regent cli --pipe < commands.txt",
  ],
  async run({ host, port, resp3, raw, noRaw, pipe, pipeTimeout, ...who }, words) {
    if (raw && noRaw) throw new UsageError("Cannot use --raw with --no-raw");
    await logIn(who);
    const address = { host, port };
    if (pipe) {
      if (words.length > 0) throw new UsageError("Cannot use --pipe with a command");
      return await runPipe(address, pipeTimeout * 1000);
    }
    const isReadable = noRaw || (!raw && Deno.stdout.isTerminal());
    const style: ReplyStyle = isReadable ? "readable" : "raw";
    if (words.length === 0 && Deno.stdin.isTerminal()) {
      return await runInteractive(address, resp3, style);
    }
    const connection = new ClientConnection(address, { isResp3: resp3 });
    try {
      if (words.length > 0) return await runOne(connection, words.map(bytesOfText), style);
      return await runScript(standardInput(), connection, standardOutput, style) ? 0 : 1;
    } finally {
      connection.close();
    }
  },
});

/** Prints errors to standard error, so that no script mistakes one for a value. */
async function runOne(
  connection: ClientConnection,
  args: readonly string[],
  style: ReplyStyle,
): Promise<number> {
  const reply = await connection.request(args);
  if (reply instanceof ErrorReply) {
    console.error(textOfBytes([...styledReply(reply, args, style)].join("").trimEnd()));
    return 1;
  }
  await writePieces(standardOutput, styledReply(reply, args, style));
  return 0;
}

async function runInteractive(
  address: Address,
  isResp3: boolean,
  style: ReplyStyle,
): Promise<number> {
  const connection = new ClientConnection(address, {
    isResp3,
    onPush: (push: PushReply) => session.showPush(push),
  });
  const session: InteractiveSession = new InteractiveSession({
    connection,
    history: new CommandHistory(Deno.env.get("HOME")),
    style,
    input: new TerminalInput(),
    output: process.stdout,
  });
  void endingSignal().then(() => session.close()); // restores the terminal
  await session.run();
  return 0;
}

async function runPipe(address: Address, timeoutMs: number): Promise<number> {
  let shown = 0;
  const { errors, replies, failure } = await pipeRequests(standardInput(), address, {
    timeoutMs,
    onError(error) {
      if (shown++ < ERRORS_SHOWN_MAX) console.error(textOfBytes(error));
    },
  });
  if (shown > ERRORS_SHOWN_MAX) console.error(`… and ${shown - ERRORS_SHOWN_MAX} more errors`);
  await standardOutput.write(`errors: ${errors}, replies: ${replies}\n`);
  if (failure === null) return errors === 0 ? 0 : 1;
  throw new UserError(
    `Cannot tell whether the rest was executed: after ${replies} replies from ` +
      `${formatAddress(address)}: ${failure}`,
  );
}
