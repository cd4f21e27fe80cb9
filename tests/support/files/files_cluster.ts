import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { fieldsOf } from "../../../src/cli/resp_client.ts";
import { PATIENT } from "../calm.ts";
import { ask, type LocalCluster, type Member } from "../local_cluster.ts";
import { until } from "../until.ts";

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const FILES = { ...PATIENT, http: true, files: true };
/** Longer than a busy machine keeps a process waiting. */
export const OUT_SOON = ["--files-out-ms", "3000"];

/** Each request has a connection of its own: a cluster may get the ports of one that has ended. */
export const client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });

export function fileAt({ httpPort }: Member, name: string): string {
  return `http://127.0.0.1:${httpPort}/files/${encodeURIComponent(name)}`;
}

export async function put(
  member: Member,
  name: string,
  body: BodyInit,
  headers: Record<string, string> = {},
): Promise<Response> {
  const response = await fetch(fileAt(member, name), { client, method: "PUT", body, headers });
  await response.body?.cancel();
  return response;
}

/** The status of a `PUT`, with its problem unless that is the condition. */
export async function answerTo(
  member: Member,
  name: string,
  body: BodyInit,
  headers: Record<string, string>,
): Promise<string> {
  const response = await fetch(fileAt(member, name), { client, method: "PUT", body, headers });
  const text = await response.text();
  return response.status === 412 ? "412" : `${response.status} ${text}`;
}

export async function get(member: Member, name: string): Promise<Uint8Array> {
  const response = await fetch(fileAt(member, name), { client });
  assertEquals(response.status, 200);
  return new Uint8Array(await response.arrayBuffer());
}

/** As `get` for large contents. */
export async function digestOf(member: Member, name: string): Promise<string> {
  return digest(await get(member, name));
}

export function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Bytes that no compression and no cache makes smaller. */
export function content(sizeBytes: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sizeBytes);
  for (let at = 0; at < sizeBytes; at += 64 * KIB) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(sizeBytes, at + 64 * KIB)));
  }
  return bytes;
}

export async function fields(
  member: Member,
  args: readonly string[],
): Promise<ReadonlyMap<string, unknown>> {
  const reply = await ask(member, args);
  return reply === null ? new Map() : fieldsOf(reply);
}

export async function holdersOf(member: Member, name: string): Promise<readonly string[]> {
  const holders = (await fields(member, ["FILE", "STAT", name])).get("holders");
  return Array.isArray(holders) ? holders.map(String).sort() : [];
}

export async function healthOf(member: Member, name: string): Promise<string> {
  return String((await fields(member, ["FILE", "WHERE", name])).get("health"));
}

export async function untilHealthy(cluster: LocalCluster, names: readonly string[]): Promise<void> {
  let last = "";
  await until("all files are healthy", async () => {
    for (const name of names) {
      last = `${name}: ${await healthOf(cluster.proxy, name)}`;
      if (!last.endsWith("healthy")) return false;
    }
    return true;
  }, { describe: () => `${last}\n${cluster.said()}` });
}

/** Waits until the nodes take part in files. */
export async function untilPlaced(cluster: LocalCluster, count: number): Promise<void> {
  await until(`${count} nodes hold files`, async () => {
    return Number((await fields(cluster.proxy, ["FILE", "REPAIR", "STATUS"])).get("up")) === count;
  }, { describe: () => cluster.said() });
}

/** Waits until a node has this state in the layout. */
export async function untilState(cluster: LocalCluster, id: string, state: string): Promise<void> {
  await until(`${id} is ${state}`, async () => {
    const nodes = (await fields(cluster.proxy, ["FILE", "NODES"])).get("nodes");
    return Array.isArray(nodes) && nodes.some((node) => {
      const of = fieldsOf(node);
      return of.get("id") === id && of.get("state") === state;
    });
  }, { describe: () => cluster.said() });
}

/** The paths of the blobs in a node's directory. */
export function blobsOf({ dir }: Member): string[] {
  const found: string[] = [];
  try {
    for (const shard of Deno.readDirSync(`${dir}/files/blobs`)) {
      for (const { name } of Deno.readDirSync(`${dir}/files/blobs/${shard.name}`)) {
        found.push(`${dir}/files/blobs/${shard.name}/${name}`);
      }
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found;
}

export function stagingOf({ dir }: Member): string[] {
  return [...Deno.readDirSync(`${dir}/files/staging`)].map(({ name }) => name);
}
