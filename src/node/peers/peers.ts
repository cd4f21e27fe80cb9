import type { NodeId } from "../../raft/types.ts";
import type { PeerMessage } from "./peer_message.ts";
import type { PeerPlan } from "./peer_plan.ts";

/** The transport as the node uses it. */
export interface Peers {
  send(message: PeerMessage): void;
  flush(): void;
  isConnected(peer: NodeId): boolean;
  /** Connects with these from now on. */
  follow(plan: PeerPlan): void;
}
