import { assert } from "../../src/base/errors.ts";
import type {
  Client,
  LeaderServer,
  LocalReply,
  LocalServer,
  NodeServer,
} from "../../src/commands/local.ts";
import { checkRequest } from "../../src/commands/table.ts";
import type { Reply } from "../../src/resp/reply.ts";
import { replyOf } from "./reply_of.ts";

/** The parts of a server that a row uses. */
export interface ServerParts extends Partial<Omit<LocalServer, "ofLeader" | "ofNode">> {
  readonly ofNode?: Partial<NodeServer> | null;
  readonly ofLeader?: Partial<LeaderServer> | null;
}

/**
 * Calls the row of a local command, as the dispatcher does.
 *
 * @param server the parts of it that the row uses
 */
export function serve(
  args: readonly string[],
  server: ServerParts = {},
  client: Partial<Client> = {},
  reply: LocalReply = { protocol: 2, isMuted: false, settle: () => {} },
): Reply {
  return replyOf(() => {
    const { serve: run, name } = checkRequest(args);
    assert(run !== undefined, `${name} is no local command`);
    return run(server as LocalServer, client as Client, args, reply) as Reply;
  });
}
