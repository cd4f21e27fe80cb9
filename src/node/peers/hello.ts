import { includesVersion, parseVersionRange, type VersionRange } from "../../base/version_range.ts";
import type { Address } from "../../platform/network.ts";
import type { NodeId } from "../../raft/types.ts";
import { isIndex, parseFrame, ProtocolError } from "./frames.ts";

/** The first frame of each connection. Later versions add fields, and change none. */
export interface Hello {
  /** The versions of the protocol that the sender speaks. */
  readonly protocol: VersionRange;
  /** The versions of the state machine that it understands. */
  readonly machine: VersionRange;
  readonly cluster: string;
  readonly from: NodeId;
  readonly to: NodeId;
  /** Where clients reach the sender. */
  readonly host: string;
  readonly port: number;
  /** Where its peers reach it. */
  readonly raftHost: string;
  readonly raftPort: number;
  /** The index of the newest configuration that it knows. */
  readonly configuration: number;
  /** Which data directory it runs on. */
  readonly incarnation: string;
  /** Which process it is: another one after each start. */
  readonly life: string;
  /** The incarnations of the founders, as it has noted them; empty where it has not. */
  readonly founders: Readonly<Record<NodeId, string>>;
  /** Whether it takes part: see `Identity.isFounded`. */
  readonly isFounded: boolean;
  /** What the connection is for; `null`: a build before this field was there does not say it. */
  readonly lane: Lane | null;
}

/** Of two connections to a peer the one for entries and snapshots, or the one for all else. */
export type Lane = (typeof LANES)[number];

const LANES = ["bulk", "urgent"] as const;

/** What a node is told that may not take part, in the place of an answer, before the connection ends. */
export interface Notice {
  /**
   * `removed`: for good. `stranger`: its data directory is not the one that the cluster knows its id
   * by. `copy`: another process runs under its id, with a copy of its directory.
   */
  readonly type: NoticeType;
  readonly cluster: string;
  /** Who is meant. */
  readonly to: NodeId;
  /** Where clients reach the node that says so; `null`: a build before this field does not say it. */
  readonly at: Address | null;
}

export type NoticeType = (typeof NOTICE_TYPES)[number];

const NOTICE_TYPES = ["removed", "stranger", "copy"] as const;
/** What a receiver says first: the connection is open. */
export interface Welcome {
  readonly type: "welcome";
  /** The newest version of the protocol that both speak: so the sender speaks from here on. */
  readonly protocol: number;
}

/** What a receiver says now and then, so that the sender sees that the connection works. */
export const ALIVE_FRAME = '{"type":"alive"}';

/** @throws {ProtocolError} when it is no hello of ours */
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

/** @throws {ProtocolError} when it is no welcome in one of these versions */
export function decodeWelcome(payload: Uint8Array, spoken: VersionRange): Welcome {
  const { type, protocol } = parseFrame(payload);
  if (type !== "welcome" || !isIndex(protocol) || !includesVersion(spoken, protocol)) {
    throw new ProtocolError("no welcome in a version that we speak");
  }
  return { type, protocol };
}

/** What a peer says back on a link; `null` for signs of life and all else. */
export function decodeNotice(payload: Uint8Array): Notice | null {
  const { type, cluster, to, at } = parseFrame(payload);
  const known = NOTICE_TYPES.find((one) => one === type);
  if (known === undefined || typeof cluster !== "string" || typeof to !== "string") return null;
  return { type: known, cluster, to, at: addressIn(at) };
}

function addressIn(value: unknown): Address | null {
  const { host, port } = (value ?? {}) as Record<string, unknown>;
  return isHost(host) && isPort(port) ? { host: String(host), port: Number(port) } : null;
}

function isTextMap(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    Object.values(value).every((text) => typeof text === "string");
}

/** The address goes on to clients, in `-MOVED` and in the lines of `CLUSTER NODES`. */
function isHost(value: unknown): boolean {
  return typeof value === "string" && /^[A-Za-z0-9_.:%-]+$/.test(value);
}

function isPort(value: unknown): boolean {
  return isIndex(value) && value <= 65_535;
}
