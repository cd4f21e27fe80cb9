import type { Disk, DiskFile } from "../disk.ts";
import type { SnapshotSource, StoredSnapshot } from "./snapshot.ts";
import { SNAPSHOT_DIRECTORY } from "./snapshot_files.ts";
import { snapshotFileName } from "./snapshot_format.ts";

/** A snapshot that is sent to other nodes. */
export class OutgoingFile implements SnapshotSource {
  readonly snapshot: StoredSnapshot;
  readonly #file: DiskFile;
  readonly #onClose: () => void;
  #isClosed = false;

  constructor(disk: Disk, snapshot: StoredSnapshot, onClose: () => void) {
    this.snapshot = snapshot;
    this.#onClose = onClose;
    this.#file = disk.open(`${SNAPSHOT_DIRECTORY}/${snapshotFileName(snapshot)}`, "existing");
  }

  read(offset: number, bytesMax: number): Uint8Array {
    const end = Math.min(this.snapshot.sizeBytes, offset + bytesMax);
    const bytes = new Uint8Array(Math.max(0, end - offset));
    this.#file.read(bytes, offset);
    return bytes;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#file.close();
    this.#onClose();
  }
}
