import type { NodeId } from "../../raft/types.ts";

/** What may be made to fail on purpose, and ends by itself or by `heal`. */
export type FaultKind = Fault["kind"];

/** As the node sees it: `in` loses what its peers send, `out` what it sends. */
export type Direction = "in" | "out" | "both";

/** Which peers a fault concerns, by id, sorted; `null`: all, those of later too. */
export type FaultPeers = readonly NodeId[] | null;

/** A failure on purpose. */
export type Fault =
  /** The node plays dead on the network, to peers and clients. */
  | { readonly kind: "pause" }
  /** Messages between this node and the peers are lost. */
  | { readonly kind: "isolate"; readonly peers: FaultPeers; readonly direction: Direction }
  /** Messages take so much longer, each way. */
  | { readonly kind: "delay"; readonly peers: FaultPeers; readonly delayMs: number }
  /** So many of a hundred messages are lost at random, each way. */
  | { readonly kind: "drop"; readonly peers: FaultPeers; readonly percent: number }
  /** Each sync of the disk takes so much longer. */
  | { readonly kind: "slow-disk"; readonly delayMs: number };

export const FAULT_KINDS: readonly FaultKind[] = ["pause", "isolate", "delay", "drop", "slow-disk"];

/**
 * A fault in the words of the command that asks for it: `isolate in from n2,n3`.
 *
 * @param leftMs how long it still lasts; `null`: until it is healed
 */
export function faultText(fault: Fault, leftMs: number | null): string {
  return leftMs === null ? whatText(fault) : `${whatText(fault)}, ${Math.ceil(leftMs)} ms left`;
}

function whatText(fault: Fault): string {
  switch (fault.kind) {
    case "pause":
      return "pause";
    case "isolate":
      return `isolate ${fault.direction}${peersText(fault.peers)}`;
    case "delay":
      return `delay ${fault.delayMs} ms${peersText(fault.peers)}`;
    case "drop":
      return `drop ${fault.percent} %${peersText(fault.peers)}`;
    case "slow-disk":
      return `slow-disk ${fault.delayMs} ms`;
  }
}

function peersText(peers: FaultPeers): string {
  return peers === null ? "" : ` from ${peers.join(",")}`;
}
