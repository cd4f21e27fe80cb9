import { UserError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Identity } from "../node/data_directory.ts";
import type { Address } from "../node/network.ts";
import { formatAddress } from "./flags.ts";
import { requestOfLeader } from "./leader_request.ts";
import { fieldsOf } from "./resp_client.ts";

/**
 * Asks a running cluster to enter this node as a learner, for as long as nobody answers.
 *
 * @param via a node or proxy
 * @returns what the directory of the new node begins with: the other members, not itself
 * @throws {UserError} when the leader refuses
 */
export async function joinCluster(
  id: string,
  raftAddress: Address,
  via: Address,
  logger: Logger,
): Promise<Pick<Identity, "clusterId" | "members">> {
  try {
    const reply = await requestOfLeader({
      addresses: [via],
      args: ["CLUSTER", "JOIN", id, formatAddress(raftAddress)],
      patienceMs: Infinity,
      onRetry: (reason) => logger.warn(`waits to be let in: ${reason}`),
    });
    const fields = fieldsOf(reply);
    const members = fieldsOf(fields.get("members") ?? null);
    members.delete(id);
    logger.info(`joins a cluster of ${[...members.keys()].join(", ")}`);
    return {
      clusterId: String(fields.get("cluster-id")),
      members: new Map([...members].map(([member, address]) => [member, String(address)])),
    };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const message = `Cannot join the cluster at ${formatAddress(via)}: ${error.message}`;
    throw new UserError(message, { cause: error });
  }
}
