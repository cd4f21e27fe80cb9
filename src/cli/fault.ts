import { UserError } from "../base/errors.ts";
import { ErrorReply, type Reply, SimpleString } from "../resp/reply.ts";
import { port as portFlag, text, UsageError } from "./flags.ts";
import { ConnectionLost, RespClient } from "./resp_client.ts";
import { subcommand } from "./subcommand.ts";

export const faultSubcommand = subcommand({
  name: "fault",
  summary: "lets a node fail on purpose, and heals it",
  description:
    "Sends FAULT to one node, which must have been started with --allow-faults; `regent cluster`\n" +
    "starts its nodes so. Then tells which faults are on at that node. WHAT is one of:\n" +
    "\n" +
    "  pause [MS]                                 play dead on the network\n" +
    "  isolate [from ID,…] [in|out|both] [MS]     lose messages from and to peers, or one way\n" +
    "  delay DELAY-MS [from ID,…] [MS]            let messages take so much longer\n" +
    "  drop PERCENT [from ID,…] [MS]              lose so many of a hundred messages\n" +
    "  slow-disk DELAY-MS [MS]                    let each sync take so much longer\n" +
    "  crash                                      end the process at once, as if killed\n" +
    "  heal [KIND]                                end all faults, or one kind of them\n" +
    "  list                                       change nothing\n" +
    "\n" +
    "Without MS, how long it lasts, a fault is on until it is healed or the process ends.",
  flags: {
    host: text("HOST", { help: "Where the node is", fallback: "127.0.0.1" }),
    port: portFlag({ help: "The node's port for clients" }),
  },
  words: "WHAT",
  examples: [
    "regent fault --port 7001 isolate",
    "regent fault --port 7001 isolate from n2,n3 in 5000",
    "regent fault --port 7001 heal",
  ],
  async run({ host, port }, words) {
    if (words.length === 0) throw new UsageError("Cannot start without WHAT is to fail");
    for (const line of await fail({ host, port }, words)) console.log(line);
    return 0;
  },
});

/** @returns what the node says. @throws {UserError} when it refuses or does not answer */
async function fail(
  address: { readonly host: string; readonly port: number },
  words: readonly string[],
): Promise<string[]> {
  const name = `${address.host}:${address.port}`;
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
