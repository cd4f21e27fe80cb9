import { formatAddress } from "../../base/address.ts";
import { includesVersion, parseVersionRange, type VersionRange } from "../../base/version_range.ts";
import type { Address } from "../../platform/network.ts";
import type { NodeId } from "../../raft/types.ts";
import { isIndex, parseFrame, ProtocolError } from "./frames.ts";

/** The first frame of each connection. Later versions may add fields, and change none. */
export interface Hello {
  /** The protocol versions that the sender speaks. */
  readonly protocol: VersionRange;
  /** The machine versions that the sender understands. */
  readonly machine: VersionRange;
  readonly cluster: string;
  readonly from: NodeId;
  readonly to: NodeId;
  /** Where clients reach the sender. */
  readonly host: string;
  readonly port: number;
  /** Where peers reach the sender. */
  readonly raftHost: string;
  readonly raftPort: number;
  /** Index of the newest configuration that the sender knows. */
  readonly configuration: number;
  /** Identity of the sender's data directory. */
  readonly incarnation: string;
  /** Random id of the sender's process. */
  readonly life: string;
  /** The founders' incarnations as noted by the sender; empty before it has noted them. */
  readonly founders: Readonly<Record<NodeId, string>>;
  /** Whether the sender takes part; see `Identity.isFounded`. */
  readonly isFounded: boolean;
  /** Purpose of the connection; `null` from builds before this field. */
  readonly lane: Lane | null;
}

/**
 * The two connections to a peer: `bulk` for entries and snapshots, `urgent` for everything else.
 */
export type Lane = (typeof LANES)[number];

const LANES = ["bulk", "urgent"] as const;

/** The answer to a node that may not take part, after which the connection ends. */
export interface Notice {
  /**
   * `removed`: for good. `stranger`: its data directory is not the one that the cluster knows its
   * id by. `copy`: another process runs under its id, on a copy of its directory.
   */
  readonly type: NoticeType;
  readonly cluster: string;
  /** The node concerned. */
  readonly to: NodeId;
  /** Where clients reach the node that sends the notice; `null` from builds before this field. */
  readonly at: Address | null;
}

export type NoticeType = (typeof NOTICE_TYPES)[number];

const NOTICE_TYPES = ["removed", "stranger", "copy"] as const;

/** The answer that opens a connection. */
export interface Welcome {
  readonly type: "welcome";
  /** The newest protocol version that both sides speak. The sender uses it from here on. */
  readonly protocol: number;
}

/** Keep-alive from a receiver, which shows the sender that the connection works. */
export const ALIVE_FRAME = '{"type":"alive"}';

/** @throws {ProtocolError} when the payload is not a hello */
export function decodeHello(payload: Uint8Array): Hello {
  const fields = parseFrame(payload);
  const { cluster, from, to, host, port, raftHost, raftPort, configuration } = fields;
  const protocol = parseVersionRange(fields["protocol"]);
  const machine = parseVersionRange(fields["machine"]);
  if (protocol === null || machine === null) throw new ProtocolError("a hello without versions");
  const { incarnation, life, founders, isFounded } = fields;
  const texts = [cluster, from, to, host, raftHost, incarnation, life];
  const areTexts = texts.every((text) => typeof text === "string" && text.length <= 255);
  const areAddresses = [host, raftHost].every(isHost) && [port, raftPort].every(isPort);
  const isFounding = isTextMap(founders) && typeof isFounded === "boolean";
  if (!areTexts || !areAddresses || !isIndex(configuration) || !isFounding) {
    throw new ProtocolError("a hello with a wrong field");
  }
  const versions = { protocol, machine };
  return {
    ...{ ...versions, cluster, from, to, host, port, raftHost, raftPort, configuration },
    ...{ incarnation, life, founders, isFounded },
    lane: LANES.find((one) => one === fields["lane"]) ?? null,
  } as Hello;
}

/** @throws {ProtocolError} when the payload is not a welcome in one of these versions */
export function decodeWelcome(payload: Uint8Array, spoken: VersionRange): Welcome {
  const { type, protocol } = parseFrame(payload);
  if (type !== "welcome" || !isIndex(protocol) || !includesVersion(spoken, protocol)) {
    throw new ProtocolError("no welcome in a version that we speak");
  }
  return { type, protocol };
}

/** Decodes what a peer answers on a link; `null` for keep-alives and everything else. */
export function decodeNotice(payload: Uint8Array): Notice | null {
  const { type, cluster, to, at } = parseFrame(payload);
  const known = NOTICE_TYPES.find((one) => one === type);
  if (known === undefined || typeof cluster !== "string" || typeof to !== "string") return null;
  return { type: known, cluster, to, at: addressIn(at) };
}

/**
 * Tells the user of the node `id` why it may not take part, and what to do about it.
 *
 * @param by the peer that says so
 * @param at where clients reach that peer
 */
export function refusedSentence(
  id: NodeId,
  by: NodeId,
  why: Exclude<NoticeType, "removed">,
  at: Address | null,
): string {
  if (why === "copy") {
    return `Cannot take part as ${id}: another process runs under this id, with a copy of this ` +
      `data directory, says ${by}; stop one of them, and start a new node with --join, ` +
      `a new --id and an empty directory`;
  }
  const from = at === null ? "" : ` --from ${formatAddress(at)}`;
  return `Cannot take part as ${id}: this data directory is not the one that the cluster knows ` +
    `${id} by, says ${by}, and what ${id} has acknowledged may be missing here; ` +
    `restore that directory, or run regent remove ${id}${from}, and start this node with ` +
    `--join, a new --id and an empty directory`;
}

function addressIn(value: unknown): Address | null {
  const { host, port } = (value ?? {}) as Record<string, unknown>;
  return isHost(host) && isPort(port) ? { host: String(host), port: Number(port) } : null;
}

function isTextMap(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    Object.values(value).every((text) => typeof text === "string");
}

/** Checks strictly: the host is passed on to clients, in `MOVED` and in `CLUSTER NODES`. */
function isHost(value: unknown): boolean {
  return typeof value === "string" && /^[A-Za-z0-9_.:%-]+$/.test(value);
}

function isPort(value: unknown): boolean {
  return isIndex(value) && value <= 65_535;
}
