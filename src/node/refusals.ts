import { keySlot } from "../commands/key_slot.ts";
import { keysOf } from "../commands/table.ts";
import { ErrorReply } from "../resp/reply.ts";
import type { Address } from "./network.ts";
import type { Request } from "./request.ts";

/*
 * How consensus says no to a client. MOVED, CLUSTERDOWN and TRYAGAIN promise that the request was
 * not executed; UNKNOWN is for all that cannot be known.
 */

/** The Redis Cluster slot of the first key; 0 when there is none. */
export function slotOf({ command, args }: Pick<Request, "command" | "args">): number {
  const [key] = keysOf(command, args);
  return key === undefined ? 0 : keySlot(key);
}

/** The leader is elsewhere: Redis Cluster's redirection, which its clients follow. */
export function moved(slot: number, leader: Address): ErrorReply {
  return new ErrorReply(`MOVED ${slot} ${leader.host}:${leader.port}`);
}

export const NO_LEADER = new ErrorReply(
  "CLUSTERDOWN No leader is known, the write was not executed",
);

export function readNotConfirmed(waitedMs: number): ErrorReply {
  return new ErrorReply(
    `CLUSTERDOWN No leader confirmed the read within ${Math.round(waitedMs)} ms`,
  );
}

export const LEADER_CHANGED = new ErrorReply(
  "TRYAGAIN The leader changed, the request was not executed",
);

export const TOO_MUCH_IN_FLIGHT = new ErrorReply(
  "TRYAGAIN Too many bytes of writes are in flight, the write was not executed",
);

/** So that whoever sends on learns that no later write was executed without an earlier one. */
export const REFUSED_BEFORE = new ErrorReply(
  "TRYAGAIN An earlier request of this connection was refused, this one was not executed",
);

export const OUTCOME_UNKNOWN = new ErrorReply(
  "UNKNOWN The leader changed before the write was confirmed, it may or may not be executed",
);

export const STOPPING = new ErrorReply("CLUSTERDOWN The node is stopping");
