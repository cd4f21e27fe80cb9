import { assert } from "../base/assert.ts";
import { messageOf } from "../base/errors.ts";
import { latin1 } from "../base/latin1.ts";
import { unknownSubcommand, wrongNumberOfArguments } from "../commands/request_errors.ts";
import { lookup } from "../commands/table.ts";
import type { Node } from "../node/node.ts";
import { type ClientOrder, Request } from "../node/request.ts";
import { EXPORTS_MAX, type SnapshotExport } from "../node/snapshots/snapshot_exports.ts";
import { ErrorReply, MapReply, OK, type Reply, SimpleString } from "../resp/reply.ts";
import type { Connection } from "./connection.ts";
import type { PendingReply } from "./pending_reply.ts";

/** In one answer of `SNAPSHOT READ`. */
export const READ_BYTES_MAX = 1024 * 1024;

const HELP = [
  "SNAPSHOT <subcommand> [<arg> ...]. Subcommands are:",
  "BEGIN",
  "    Hold a snapshot of all that is committed; return its id, entry, term and size.",
  "READ <id> <offset> <bytes>",
  `    Return bytes of its file, up to ${READ_BYTES_MAX}; none are left when it returns fewer.`,
  "END <id>",
  "    Let it go, as the end of the connection does.",
  "HELP",
  "    Print this help.",
].map((line) => new SimpleString(line));

/** Arguments of each subcommand, with `SNAPSHOT` and its name. */
const ARITIES: ReadonlyMap<string, number> = new Map([
  ["BEGIN", 2],
  ["READ", 5],
  ["END", 3],
  ["HELP", 2],
]);

const NO_SNAPSHOTS = new ErrorReply("ERR This node keeps no snapshots");
const UNKNOWN_ID = new ErrorReply("ERR This connection holds no snapshot of that id");
const TOO_MANY = new ErrorReply(
  `TRYAGAIN Clients hold ${EXPORTS_MAX} snapshots of this node already, which is the most`,
);

/** `SNAPSHOT …` on a node: a client reads a snapshot of the whole state, for a backup. */
export class SnapshotCommands {
  readonly #node: Node;
  readonly #held = new Map<Connection, Map<string, SnapshotExport>>();
  #lastId = 0;

  constructor(node: Node) {
    this.#node = node;
  }

  /** @param order of the connection's requests: the snapshot holds what they wrote */
  run(order: ClientOrder, args: readonly string[], reply: PendingReply): Reply | null {
    const subcommand = args[1]?.toUpperCase() ?? "";
    const arity = ARITIES.get(subcommand);
    if (arity === undefined) return unknownSubcommand(args);
    if (arity !== args.length) {
      return wrongNumberOfArguments(`snapshot|${subcommand.toLowerCase()}`);
    }
    const [, , id = "", offset = "", bytes = ""] = args;
    switch (subcommand) {
      case "BEGIN":
        this.#begin(order, reply);
        return null;
      case "READ":
        return this.#read(reply.connection, id, offset, bytes);
      case "END":
        return this.#end(reply.connection, id);
      default:
        return HELP;
    }
  }

  closed(connection: Connection): void {
    const held = this.#held.get(connection);
    this.#held.delete(connection);
    for (const one of held?.values() ?? []) one.end();
  }

  /** A read comes first: once it may be answered, the state holds all that was acknowledged before. */
  #begin(order: ClientOrder, reply: PendingReply): void {
    const command = lookup("dbsize");
    assert(command !== undefined, "DBSIZE is not in the command table");
    const settle = (answer: Reply) => {
      if (answer instanceof ErrorReply) reply.settle(answer);
      else if (!reply.connection.isClosed) this.#hold(reply);
    };
    this.#node.submit(new Request(command, ["DBSIZE"], order, { settle }));
  }

  #hold(reply: PendingReply): void {
    const { snapshots } = this.#node;
    if (snapshots === null) return reply.settle(NO_SNAPSHOTS);
    const id = String(++this.#lastId);
    const held = snapshots.exports.begin((refusal) => {
      if (refusal !== null) this.#forget(reply.connection, id);
      reply.settle(refusal === null ? heldReply(id, held) : refusedReply(refusal));
    });
    if (held === null) return reply.settle(TOO_MANY);
    this.#heldBy(reply.connection).set(id, held);
  }

  #read(connection: Connection, id: string, offset: string, bytes: string): Reply {
    const held = this.#held.get(connection)?.get(id);
    if (held === undefined) return UNKNOWN_ID;
    if (!isWhole(offset) || !isWhole(bytes) || Number(bytes) > READ_BYTES_MAX) {
      return new ErrorReply(
        `ERR offset and bytes are whole numbers, bytes up to ${READ_BYTES_MAX}`,
      );
    }
    try {
      const read = held.read(Number(offset), Number(bytes));
      return latin1(read, 0, read.length);
    } catch (error) {
      this.#forget(connection, id);
      held.end();
      return new ErrorReply(`ERR ${messageOf(error)}`);
    }
  }

  #end(connection: Connection, id: string): Reply {
    const held = this.#held.get(connection)?.get(id);
    if (held === undefined) return UNKNOWN_ID;
    this.#forget(connection, id);
    held.end();
    return OK;
  }

  #heldBy(connection: Connection): Map<string, SnapshotExport> {
    const held = this.#held.get(connection) ?? new Map<string, SnapshotExport>();
    this.#held.set(connection, held);
    return held;
  }

  #forget(connection: Connection, id: string): void {
    const held = this.#held.get(connection);
    held?.delete(id);
    if (held?.size === 0) this.#held.delete(connection);
  }
}

function heldReply(id: string, held: SnapshotExport | null): Reply {
  const snapshot = held?.source?.snapshot;
  assert(snapshot !== undefined, "a snapshot that is held is open");
  return new MapReply([
    ["id", id],
    ["index", snapshot.index],
    ["term", snapshot.term],
    ["time-ms", snapshot.timeMs],
    ["size-bytes", snapshot.sizeBytes],
    ["checksum", snapshot.checksum],
  ]);
}

function refusedReply(reason: string): ErrorReply {
  return new ErrorReply(`ERR This node can give no snapshot: ${reason}`);
}

function isWhole(text: string): boolean {
  return /^[0-9]{1,15}$/.test(text);
}
