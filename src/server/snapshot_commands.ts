import { latin1 } from "../base/bytes.ts";
import { assert, messageOf } from "../base/errors.ts";
import { CommandError } from "../commands/command_error.ts";
import type { SnapshotPiece } from "../commands/local.ts";
import { lookup } from "../commands/table.ts";
import { type ClientOrder, Request } from "../node/clients/request.ts";
import type { Node } from "../node/node.ts";
import type { SnapshotReport } from "../node/snapshots/node_snapshots.ts";
import { EXPORTS_MAX, type SnapshotExport } from "../node/snapshots/snapshot_exports.ts";
import { ErrorReply, MapReply, OK, type Reply } from "../resp/reply.ts";
import type { PendingReply } from "./pending_reply.ts";

/** The section `persistence` of `INFO`, with Redis's names where the meaning is the same. */
export function persistenceFields(report: SnapshotReport): [string, string | number][] {
  const { lastDurationMs } = report;
  return [
    ["loading", 0],
    ["async_loading", 0],
    ["rdb_bgsave_in_progress", report.isTaking ? 1 : 0],
    ["rdb_last_save_time", secondsOf(report)],
    ["rdb_last_bgsave_status", report.hasLastFailed ? "err" : "ok"],
    ["rdb_last_bgsave_time_sec", lastDurationMs === null ? -1 : Math.round(lastDurationMs / 1000)],
    ["rdb_current_bgsave_time_sec", -1],
    ["rdb_saves", report.count],
    ["aof_enabled", 1],
    ["aof_rewrite_in_progress", 0],
    ["aof_rewrite_scheduled", 0],
    ["aof_last_rewrite_time_sec", -1],
    ["aof_current_rewrite_time_sec", -1],
    ["aof_last_bgrewrite_status", "ok"],
    ["aof_last_write_status", "ok"],
    ["snapshot_index", report.index],
    ["snapshot_bytes", report.sizeBytes],
    ["snapshot_duration_ms", lastDurationMs ?? -1],
    ["aof_current_size", report.logBytes],
    ["log_bytes_since_snapshot", report.logBytes],
    ["log_first_index", report.logFirstIndex],
  ];
}

function secondsOf({ lastMs, timeMs }: SnapshotReport): number {
  return Math.floor((lastMs ?? timeMs) / 1000);
}

/** Maximum bytes in one answer of `SNAPSHOT READ`. */
export const READ_BYTES_MAX = 1024 * 1024;

const NO_SNAPSHOTS = new ErrorReply("ERR This node keeps no snapshots");
const UNKNOWN_ID = new CommandError("ERR This connection holds no snapshot of that id");
const TOO_MANY = new ErrorReply(
  `TRYAGAIN Clients already hold ${EXPORTS_MAX} snapshots of this node, which is the maximum`,
);

/** The connection of a client that reads snapshots. */
export interface SnapshotReader {
  readonly isClosed: boolean;
}

/** `SNAPSHOT …` on a node, by which a client reads a snapshot of the whole state for a backup. */
export class SnapshotCommands {
  readonly #node: Node;
  readonly #held = new Map<SnapshotReader, Map<string, SnapshotExport>>();
  #lastId = 0;

  constructor(node: Node) {
    this.#node = node;
  }

  forget(connection: SnapshotReader): void {
    const held = this.#held.get(connection);
    this.#held.delete(connection);
    for (const one of held?.values() ?? []) one.end();
  }

  /**
   * Submits a read first. Once it is answered, the state has all writes acknowledged before it.
   *
   * @param order of the connection's requests, whose writes the snapshot includes
   */
  begin(connection: SnapshotReader, order: ClientOrder, reply: PendingReply): void {
    const command = lookup("dbsize");
    assert(command !== undefined, "DBSIZE is not in the command table");
    const settle = (answer: Reply) => {
      if (answer instanceof ErrorReply) reply.settle(answer);
      else if (!connection.isClosed) reply.guard(() => this.#hold(connection, reply));
    };
    this.#node.submit(new Request(command, ["DBSIZE"], order, { settle }));
  }

  #hold(connection: SnapshotReader, reply: PendingReply): void {
    const { snapshots } = this.#node;
    if (snapshots === null) return reply.settle(NO_SNAPSHOTS);
    const id = String(++this.#lastId);
    const held = snapshots.exports.begin((refusal) => {
      reply.guard(() => {
        if (refusal !== null) this.#forget(connection, id);
        reply.settle(refusal === null ? heldReply(id, held) : refusedReply(refusal));
      });
    });
    if (held === null) return reply.settle(TOO_MANY);
    this.#heldBy(connection).set(id, held);
  }

  read(
    connection: SnapshotReader,
    { id, offset, bytes }: SnapshotPiece,
    reply: PendingReply,
  ): void {
    const held = this.#held.get(connection)?.get(id);
    if (held === undefined) throw UNKNOWN_ID;
    if (!isWhole(offset) || !isWhole(bytes) || Number(bytes) > READ_BYTES_MAX) {
      throw new CommandError(
        `ERR offset and bytes are whole numbers, bytes up to ${READ_BYTES_MAX}`,
      );
    }
    const done = (read: Uint8Array | Error): void => {
      if (!(read instanceof Error)) return reply.settle(latin1(read, 0, read.length));
      this.#forget(connection, id);
      held.end();
      reply.settle(new ErrorReply(`ERR ${messageOf(read)}`));
    };
    held.read(Number(offset), Number(bytes), (read) => reply.guard(() => done(read)));
  }

  end(connection: SnapshotReader, id: string): Reply {
    const held = this.#held.get(connection)?.get(id);
    if (held === undefined) throw UNKNOWN_ID;
    this.#forget(connection, id);
    held.end();
    return OK;
  }

  #heldBy(connection: SnapshotReader): Map<string, SnapshotExport> {
    const held = this.#held.get(connection) ?? new Map<string, SnapshotExport>();
    this.#held.set(connection, held);
    return held;
  }

  #forget(connection: SnapshotReader, id: string): void {
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
  return new ErrorReply(`ERR This node cannot provide a snapshot: ${reason}`);
}

function isWhole(text: string): boolean {
  return /^[0-9]{1,15}$/.test(text);
}
