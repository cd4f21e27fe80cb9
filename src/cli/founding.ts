import { createHash, randomUUID } from "node:crypto";
import { UserError } from "../base/errors.ts";
import type { Address } from "../node/network.ts";
import { parseAddress } from "./flags.ts";

/** The longest value; the same on every node, since it decides what writes do. */
export const VALUE_BYTES_MAX = 64 * 1024 * 1024;

/**
 * The id of a new cluster: the same for all that are told the same members.
 *
 * @param members their Raft addresses by their ids
 * @param content what the cluster begins with, as a digest. @default nothing
 */
export function clusterIdOf(members: ReadonlyMap<string, string>, content = ""): string {
  const list = [...members].map(([id, address]) => `${id}=${address}`).sort();
  const text = content === "" ? list.join() : `${list.join()};${content}`;
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

/** The id of a cluster that no other node can guess. */
export function newClusterId(): string {
  return randomUUID().replaceAll("-", "");
}

/** Ids stand in files, in `CLUSTER NODES` and in tables: no spaces, no signs that mean something there. */
export function parseId(value: string): string {
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(value)) {
    throw new UserError("expected up to 64 letters, digits, dots, dashes and underscores");
  }
  return value;
}

/** `ID=HOST:PORT,…`. @throws {UserError} */
export function parsePeers(value: string): Map<string, Address> {
  const peers = new Map<string, Address>();
  for (const part of value.split(",")) {
    const [, id, address] = /^([^=]+)=(.+)$/.exec(part.trim()) ?? [];
    if (id === undefined || address === undefined || peers.has(id)) {
      throw new UserError("expected ID=HOST:PORT,… with each id once");
    }
    peers.set(parseId(id), parseAddress(address));
  }
  return peers;
}
