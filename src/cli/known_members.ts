import type { DataDirectory, Identity } from "../node/log/data_directory.ts";
import { isSame } from "../node/members/membership.ts";
import type { Address } from "../platform/network.ts";
import { readAddress } from "./flags.ts";

/** The members without one of them. */
export function othersThan(
  id: string,
  members: ReadonlyMap<string, Address>,
): ReadonlyMap<string, Address> {
  return new Map([...members].filter(([member]) => member !== id));
}

/** The members, with their Raft addresses, in the newest configuration of the directory. */
export function knownMembers(
  founders: ReadonlyMap<string, Address>,
  { log, snapshots }: Pick<DataDirectory, "log" | "snapshots">,
): ReadonlyMap<string, Address> {
  const newest = log.configurations().at(-1) ?? snapshots.newest();
  if (newest === undefined || newest === null) return founders;
  return new Map(newest.configuration.members.map(({ id, raftAddress }) => [id, raftAddress]));
}

/** Members whose addresses in `--peers` differ from those at the founding. */
export function movedMembers(
  { members }: Identity,
  peers: ReadonlyMap<string, Address>,
): ReadonlyMap<string, Address> {
  return new Map([...peers].filter(([id, address]) => {
    const known = members.get(id);
    return known === undefined || !isSame(readAddress(known), address);
  }));
}
