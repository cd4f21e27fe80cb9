import { StateMachine } from "../../commands/state_machine.ts";
import { applyTo } from "../../node/applier.ts";
import type { DataDirectory } from "../../node/data_directory.ts";
import { restoreNewest } from "../../node/snapshots/node_snapshots.ts";
import { VALUE_BYTES_MAX } from "../founding.ts";

const READ_BYTES = 4 * 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;

/** The state after every entry that a directory holds: its snapshot, and all of its log. */
export function finalState({ log, snapshots }: Pick<DataDirectory, "log" | "snapshots">) {
  const machine = new StateMachine({ stringBytesMax: VALUE_BYTES_MAX });
  restoreNewest(snapshots, machine);
  const last = log.lastIndex();
  let applied = snapshots.newest()?.index ?? 0;
  while (applied < last) {
    for (const entry of log.entries(applied + 1, last, READ_BYTES)) {
      applyTo(machine, entry);
      applied = entry.index;
    }
  }
  return machine;
}

/** A state in chunks, as a snapshot holds it. */
export function* chunksOf(machine: StateMachine): Generator<Uint8Array> {
  const view = machine.beginSnapshot();
  try {
    for (let chunk = view.next(CHUNK_BYTES); chunk !== null; chunk = view.next(CHUNK_BYTES)) {
      yield chunk;
    }
  } finally {
    view.end();
  }
}
