import { type Address, formatAddress } from "../base/address.ts";
import { UserError } from "../base/errors.ts";
import { ErrorReply, type Reply, SimpleString } from "../resp/reply.ts";
import { connectingSubcommand } from "./connecting.ts";
import { hostFlag, port as portFlag, UsageError } from "./flags.ts";
import { logIn, logInFlags } from "./log_in.ts";
import { ConnectionLost, RespClient } from "./resp_client.ts";

export const faultSubcommand = connectingSubcommand({
  name: "fault",
  summary: "make a node fail on purpose, and heal it",
  description:
    "Sends FAULT to one node, which must have been started with --allow-faults, as the nodes of " +
    "`regent cluster` are. Then prints the active faults of that node. WHAT is one of:\n" +
    "\n" +
    "  pause [MS]                              stay connected, but send nothing\n" +
    "  isolate [from ID,…] [in|out|both] [MS]  lose all messages from and to peers\n" +
    "  delay DELAY-MS [from ID,…] [MS]         delay their messages by DELAY-MS\n" +
    "  drop PERCENT [from ID,…] [MS]           lose PERCENT of their messages\n" +
    "  slow-disk DELAY-MS [MS]                 delay each sync by DELAY-MS\n" +
    "  crash                                   end the process as kill -9 does\n" +
    "  heal [KIND]                             end all faults, or those of one KIND\n" +
    "  list                                    only print the active faults\n" +
    "\n" +
    "Without `from`, a fault applies to all peers. MS is its duration in milliseconds. Without " +
    "MS, it lasts until it is healed or the process ends.",
  flags: {
    host: hostFlag({ help: "Host of the node", defaultValue: "127.0.0.1" }),
    port: portFlag({ help: "Port of the node for clients" }),
    ...logInFlags,
  },
  words: "WHAT",
  examples: [
    "regent fault --port 7001 isolate",
    "regent fault --port 7001 isolate from n2,n3 in 5000",
    "regent fault --port 7001 heal",
  ],
  async run({ host, port, ...who }, words) {
    await logIn(who);
    if (words.length === 0) throw new UsageError("Cannot start: expected WHAT to inject");
    for (const line of await sendFault({ host, port }, words)) console.log(line);
    return 0;
  },
});

/**
 * Sends FAULT to a node.
 *
 * @returns the lines of its reply
 * @throws {UserError} when it refuses or does not answer
 */
async function sendFault(
  address: Address,
  words: readonly string[],
): Promise<string[]> {
  const name = formatAddress(address);
  const [what] = words.map((word) => word.toLowerCase());
  const isCrash = what === "crash" && words.length === 1;
  let isConnected = false;
  try {
    const client = await RespClient.connect(address);
    isConnected = true;
    try {
      const answer = checked(await client.request(["FAULT", ...words]));
      if (what === "help") return linesOf(answer);
      const faults = linesOf(checked(await client.request(["FAULT", "LIST"])));
      return faults.length === 0 ? [`${name}: no faults`] : faults.map((one) => `${name}: ${one}`);
    } finally {
      client.close();
    }
  } catch (error) {
    if (!(error instanceof ConnectionLost)) throw error;
    if (isCrash && isConnected) return [`${name}: crashed`];
    throw new UserError(`Cannot reach ${name}: ${error.message}`);
  }
}

function checked(reply: Reply): Reply {
  if (reply instanceof ErrorReply) throw new UserError(reply.text.replace(/^ERR /, ""));
  return reply;
}

function linesOf(reply: Reply): string[] {
  if (!Array.isArray(reply)) return [];
  return reply.map((line) => line instanceof SimpleString ? line.text : String(line));
}
