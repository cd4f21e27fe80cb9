/**
 * The least that replication costs on this runtime: sockets, files and syncs as a node of Regent has
 * them, and nothing else. No request is looked into, nothing is stored, nobody is elected.
 *
 * - `follower PORT DIR`: writes and syncs what the leader sends, and says so
 * - `leader PORT DIR PORT,PORT`: sends what clients write to two followers, writes and syncs it, and
 *   answers when one follower has said so. What clients only read, one follower is asked about.
 */
import { DenoDisk } from "../../../src/platform/deno_disk.ts";
import { endWithStdin } from "../end_with_stdin.ts";
import { follow } from "./follower.ts";
import { lead } from "./leader.ts";
import { Ring } from "./ring.ts";

const [role, port, dir = "", followers] = Deno.args;
void endWithStdin();
const disk = await DenoDisk.open(dir);
const ring = new Ring(disk.open("floor", "create"));
if (followers === undefined) follow(Number(port), ring);
else lead(Number(port), followers.split(",").map(Number), ring);
console.error(`${role} listens`);
