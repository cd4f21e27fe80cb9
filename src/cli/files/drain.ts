import { UserError } from "../../base/errors.ts";
import type { Address } from "../../platform/network.ts";
import type { Reply } from "../../resp/reply.ts";
import { readAddress } from "../flags.ts";
import type { StatusLine } from "../progress.ts";
import { ConnectionLost, fieldsOf, requestOfLeader, RespClient } from "../resp_client.ts";

/** Interval between two looks at the files, in milliseconds. */
const LOOK_MS = 500;
/** How long to look for the cluster, in milliseconds. */
const PATIENCE_MS = 10_000;

export interface DrainOptions {
  /** Nodes or proxies to ask. */
  readonly addresses: readonly Address[];
  readonly id: string;
  /** Time in milliseconds without any progress after which it is given up. */
  readonly stalledMs: number;
  readonly line: StatusLine;
  /** Called with what the user should know. */
  readonly warn: (message: string) => void;
  /** @default 500 */
  readonly lookMs?: number;
}

/** What `FILE NODES` says of a node. */
interface FileNode {
  readonly state: string;
  readonly ringWeight: number;
  readonly blobs: number;
}

/**
 * Moves the files of a node to others, as long as they lack copies there. A node that is dead cannot
 * be waited for: what it held is copied from others, as far as there are any.
 *
 * @returns a function that makes the node hold files again, for when it is not removed after all
 * @throws {UserError} when its files cannot be moved, or no more of them move
 */
export async function drain(options: DrainOptions): Promise<() => Promise<void>> {
  const { addresses, id, warn } = options;
  const nodes = await fileNodes(options);
  const node = nodes?.get(id);
  if (nodes === null || node === undefined) return () => Promise.resolve(); // it holds no files
  if (node.state === "out") warn(`${id} is out, so that its files cannot be moved from there`);
  else if (!await isReachable(addresses, id)) {
    warn(`${id} does not answer, so that its files cannot be moved from there`);
  } else return await drainLive(options, nodes, node);
  await warnOfLoss(options);
  return () => Promise.resolve();
}

async function drainLive(
  options: DrainOptions,
  nodes: ReadonlyMap<string, FileNode>,
  node: FileNode,
): Promise<() => Promise<void>> {
  const { id } = options;
  const hasOthers = [...nodes].some(([other, { ringWeight }]) => other !== id && ringWeight > 0);
  if (node.blobs > 0 && !hasOthers) {
    throw new UserError("there is no other node for its files; --no-drain removes it nevertheless");
  }
  const isChanged = await ask(options, ["FILE", "DRAIN", id]) === 1;
  const undo = async () => {
    if (isChanged) await ask(options, ["FILE", "DRAIN", id, "OFF"]);
  };
  try {
    await untilMoved(options);
  } finally {
    options.line.end();
  }
  return undo;
}

/**
 * Waits until no file lacks a copy where it belongs, now that nothing belongs on this node. Lost
 * files are not waited for: this node does not hold them either.
 */
async function untilMoved(options: DrainOptions): Promise<void> {
  const { id, stalledMs, line, warn, lookMs = LOOK_MS } = options;
  let first: number | null = null;
  let last = Infinity;
  let changedMs = performance.now();
  let isLossTold = false;
  for (;;) {
    const node = (await fileNodes(options))?.get(id);
    const { missing, lost } = await missingCopies(options);
    if (lost > 0 && !isLossTold) {
      const [files, them] = lost === 1 ? ["1 file has", "it"] : [`${lost} files have`, "them"];
      warn(`${files} no copy on any available node, so that the drain does not wait for ${them}`);
      isLossTold = true;
    }
    if (missing === 0 || node === undefined || node.blobs === 0) return;
    if (node.state === "out") {
      warn(`${id} is out now, so that the rest of its files cannot be moved from there`);
      await warnOfLoss(options);
      return;
    }
    first ??= missing;
    if (missing !== last) changedMs = performance.now();
    last = missing;
    if (performance.now() - changedMs >= stalledMs) {
      const copies = missing === 1 ? "1 copy is" : `${missing} copies are`;
      throw new UserError(
        `${copies} still missing on other nodes, and none has come for ` +
          `${Math.round(stalledMs / 1000)} s; it goes on draining: run this again, or give ` +
          `--no-drain, or keep it with FILE DRAIN ${id} OFF`,
      );
    }
    line.show(`draining ${id}: ${missing} of ${Math.max(first, missing)} copies to go`);
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

/** The copies that are missing and can be made, and the number of files that nobody can copy. */
async function missingCopies(
  options: DrainOptions,
): Promise<{ readonly missing: number; readonly lost: number }> {
  const status = fieldsOf(await ask(options, ["FILE", "REPAIR", "STATUS"]));
  const missing = Number(status.get("missing")) - Number(status.get("missing-of-lost") ?? 0);
  return { missing, lost: Number(status.get("lost")) };
}

/** Says how many files will be there no more. */
async function warnOfLoss(options: DrainOptions): Promise<void> {
  const status = fieldsOf(await ask(options, ["FILE", "REPAIR", "STATUS"]));
  const below = Number(status.get("below"));
  const lost = Number(status.get("lost"));
  if (below > 0) options.warn(`${below} files have too few copies, ${lost} of them none at all`);
}

/** The nodes that hold files; `null` when the cluster does not know files yet. */
async function fileNodes(options: DrainOptions): Promise<Map<string, FileNode> | null> {
  let reply: Reply;
  try {
    reply = await ask(options, ["FILE", "NODES"]);
  } catch (error) {
    const isOld = error instanceof UserError &&
      /unknown command|unknown subcommand|is not known to state machine/i.test(error.message);
    if (isOld) return null;
    throw error;
  }
  const nodes = fieldsOf(reply).get("nodes");
  return new Map((Array.isArray(nodes) ? nodes : []).map((node) => {
    const fields = fieldsOf(node as Reply);
    return [String(fields.get("id")), {
      state: String(fields.get("state")),
      ringWeight: Number(fields.get("ring-weight")),
      blobs: Number(fields.get("blobs")),
    }];
  }));
}

/** Whether the member answers at its port for clients. */
async function isReachable(addresses: readonly Address[], id: string): Promise<boolean> {
  const members = fieldsOf(
    await requestOfLeader({ addresses, args: ["CLUSTER", "MEMBERS"], patienceMs: PATIENCE_MS }),
  );
  const address = String(members.get(id) ?? "");
  if (address === "") return true; // it is no member: the removal will say so
  try {
    const client = await RespClient.connect(readAddress(address));
    try {
      return fieldsOf(await client.request(["CLUSTER", "ROLE"])).get("id") === id;
    } finally {
      client.close();
    }
  } catch (error) {
    if (!(error instanceof ConnectionLost)) throw error;
    return false;
  }
}

function ask({ addresses }: DrainOptions, args: readonly string[]): Promise<Reply> {
  return requestOfLeader({ addresses, args, patienceMs: PATIENCE_MS });
}
