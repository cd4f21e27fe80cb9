import { UserError } from "../base/errors.ts";
import { connectingSubcommand } from "./connecting.ts";
import { drain } from "./files/drain.ts";
import { addressList, integer, toggle, typedOnly, UsageError } from "./flags.ts";
import { logIn, logInFlags } from "./log_in.ts";
import { StatusLine } from "./progress.ts";
import { requestOfLeader } from "./resp_client.ts";

/** How long to look for the leader, in milliseconds. */
const PATIENCE_MS = 10_000;

/** A flag of `remove` and `transfer`. */
const fromFlag = addressList({
  help: "Nodes or proxies to ask; one is enough, since each knows the leader",
  defaultValue: [{ host: "127.0.0.1", port: 7000 }],
});

export const removeSubcommand = connectingSubcommand({
  name: "remove",
  summary: "remove a member from the cluster for good",
  description:
    "Removes the member ID, which may be the leader, and returns when the removal is committed. " +
    "The node then ends by itself, and its id is never used again. The removal is refused while " +
    "another change is in progress, and when too few of the remaining voting members answer. " +
    "First, files that would then have too few copies are copied to other nodes.",
  flags: {
    from: fromFlag,
    force: typedOnly(toggle({
      help: "Remove it even if too few of the remaining members answer; then nothing can be " +
        "written until enough of them are back",
    })),
    noDrain: toggle({ help: "Do not copy its files to other nodes first" }),
    drainTimeoutS: integer("SECONDS", {
      help: "Time after which the removal is given up if no more files have been copied",
      defaultValue: 120,
      min: 1,
      max: 1_000_000,
    }),
    ...logInFlags,
  },
  words: "ID",
  examples: [
    "regent remove n2",
    "regent remove n2 --from 127.0.0.1:7001",
    "regent remove n2 --force",
  ],
  async run({ from, force, noDrain, drainTimeoutS, ...who }, words) {
    await logIn(who);
    const id = onlyId(words);
    const what = `remove ${id}`;
    const undoDrain = noDrain ? () => Promise.resolve() : await explaining(what, () =>
      drain({
        addresses: from,
        id,
        stalledMs: 1000 * drainTimeoutS,
        line: new StatusLine(),
        warn: (message) => console.error(`regent: ${message}`),
      }));
    const args = ["CLUSTER", "FORGET", id, ...(force ? ["FORCE"] : [])];
    try {
      await askLeaderTo(what, { addresses: from, args });
    } catch (error) {
      await undoDrain().catch(() => {}); // the first error tells more
      throw error;
    }
    console.log(`${id} is removed`);
    return 0;
  },
});

export const transferSubcommand = connectingSubcommand({
  name: "transfer",
  summary: "transfer leadership to a member",
  description:
    "Transfers leadership to the voting member ID, and returns when it leads. Clients' requests " +
    "wait meanwhile; none fails.",
  flags: { from: fromFlag, ...logInFlags },
  words: "ID",
  examples: ["regent transfer n2", "regent transfer n2 --from 127.0.0.1:7001"],
  async run({ from, ...who }, words) {
    await logIn(who);
    const id = onlyId(words);
    await askLeaderTo(`transfer leadership to ${id}`, {
      addresses: from,
      args: ["CLUSTER", "TRANSFER", id],
    });
    console.log(`${id} leads`);
    return 0;
  },
});

/** Sends a request to the leader. @param what completes "Cannot …" */
async function askLeaderTo(
  what: string,
  request: Pick<Parameters<typeof requestOfLeader>[0], "addresses" | "args">,
): Promise<void> {
  await explaining(what, () => requestOfLeader({ ...request, patienceMs: PATIENCE_MS }));
}

/** Reports an error of `run` as `Cannot ${what}`. */
async function explaining<T>(what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`Cannot ${what}: ${error.message}`, { cause: error });
  }
}

function onlyId(words: readonly string[]): string {
  const [id] = words;
  if (id === undefined || words.length > 1) {
    throw new UsageError("Cannot start: expected the ID of one member");
  }
  return id;
}
