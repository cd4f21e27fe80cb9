import type { Address } from "../../base/address.ts";
import { isAddressInUse } from "../../platform/sockets.ts";
import { ConnectionLost, fieldsOf, RespClient } from "../resp_client.ts";

const WAIT_MS_MAX = 1_000;
const RETRY_MS = 50;

/**
 * Finds which ports are in use. This is done before the children start, since later the process
 * that has a port could be mistaken for the child. Waits up to a second, so that a cluster that was
 * just killed can finish exiting.
 */
export async function takenPorts(hostname: string, ports: readonly number[]): Promise<number[]> {
  for (let waitedMs = 0;; waitedMs += RETRY_MS) {
    const taken = ports.filter((port) => isAddressInUse({ host: hostname, port }));
    if (taken.length === 0 || waitedMs >= WAIT_MS_MAX) return taken;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** What is known about the process that listens on a port. */
export interface PortHolder {
  readonly processId: number | null;
  /** `null` if it is not a node of Regent. */
  readonly nodeId: string | null;
  /** A description for the user, such as `node n2, pid 123`. */
  readonly description: string;
}

/** Identifies the listener: it asks a RESP server itself, and else the operating system. */
export async function portHolder(address: Address): Promise<PortHolder> {
  // A server of another cluster does not take this one's secret.
  return await askServer(address, false) ?? await askServer(address, true) ??
    await askSystem(address) ??
    { processId: null, nodeId: null, description: "another process" };
}

async function askServer(address: Address, isAnonymous: boolean): Promise<PortHolder | null> {
  try {
    const client = await RespClient.connect(address, { isAnonymous });
    try {
      const info = String(await client.request(["INFO"]));
      const field = (name: string) => new RegExp(`^${name}:(.*?)\r?$`, "m").exec(info)?.[1];
      const processId = Number(field("process_id")) || null;
      if (processId === null) return null;
      const role = fieldsOf(await client.request(["CLUSTER", "ROLE"]));
      const nodeId = role.has("id") ? String(role.get("id")) : null;
      const isProxy = role.get("role") === "proxy";
      const name = nodeId !== null ? `node ${nodeId}` : isProxy ? "a proxy" : "a Redis server";
      return { processId, nodeId, description: `${name}, pid ${processId}` };
    } finally {
      client.close();
    }
  } catch (error) {
    if (!(error instanceof ConnectionLost)) throw error;
    return null; // it speaks another protocol, or does not answer
  }
}

/** Asks `ss`, if it exists and this process may run it. */
async function askSystem({ port }: Address): Promise<PortHolder | null> {
  try {
    const { stdout } = await new Deno.Command("ss", {
      args: ["-Hltnp", `sport = :${port}`],
      stderr: "null",
    }).output();
    const users = new TextDecoder().decode(stdout);
    const [, name, processId] = /\("([^"]+)",pid=([0-9]+)/.exec(users) ?? [];
    if (processId === undefined) return null;
    const description = `${name}, pid ${processId}`;
    return { processId: Number(processId), nodeId: null, description };
  } catch (error) {
    const { NotFound, NotCapable, PermissionDenied } = Deno.errors;
    if (error instanceof NotFound || error instanceof NotCapable) return null;
    if (error instanceof PermissionDenied) return null;
    throw error;
  }
}
