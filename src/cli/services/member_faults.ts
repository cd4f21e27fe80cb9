import { UserError } from "../../base/errors.ts";
import type { MemberFaults } from "../../http/faults.ts";
import type { Address } from "../../platform/network.ts";
import { ErrorReply } from "../../resp/reply.ts";
import { ConnectionLost, RespClient } from "../resp_client.ts";
import { memberAddresses } from "../status.ts";

/**
 * Sends `FAULT` to the members themselves.
 *
 * @param address of any member or proxy, which knows the others
 */
export function memberFaults(address: Address): MemberFaults {
  return {
    async allowed() {
      const members = [...await membersFrom(address)];
      const answers = await Promise.all(members.map(([, at]) => send(at, ["LIST"])));
      return members.filter((_, at) => answers[at] === null).map(([id]) => id);
    },

    async begin(member, fault, durationMs) {
      const members = await membersFrom(address);
      if (members.size === 0) return "no-answer";
      const at = members.get(member);
      if (at === undefined) return "no-such-member";
      return await send(at, fault === "heal" ? ["HEAL"] : [fault.toUpperCase(), `${durationMs}`]);
    },
  };
}

/** The members' addresses by their ids; none if nobody answers. */
async function membersFrom(address: Address): Promise<ReadonlyMap<string, Address>> {
  try {
    return await memberAddresses([address]);
  } catch (error) {
    if (error instanceof UserError) return new Map();
    throw error;
  }
}

async function send(
  address: Address,
  words: readonly string[],
): Promise<"not-allowed" | "no-answer" | null> {
  try {
    const client = await RespClient.connect(address);
    try {
      const reply = await client.request(["FAULT", ...words]);
      return reply instanceof ErrorReply ? "not-allowed" : null;
    } finally {
      client.close();
    }
  } catch (error) {
    if (error instanceof ConnectionLost) return "no-answer";
    throw error;
  }
}
