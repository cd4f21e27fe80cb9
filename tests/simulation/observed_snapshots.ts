import type {
  IncomingSnapshot,
  SnapshotMeta,
  SnapshotSource,
  SnapshotStore,
  SnapshotWriter,
  StoredSnapshot,
} from "../../src/node/snapshots/snapshot.ts";

/** Observes which snapshots a node takes. */
export class ObservedSnapshots implements SnapshotStore {
  readonly #inner: SnapshotStore;
  readonly #begun: (meta: SnapshotMeta) => void;

  /** @param begun called when a node starts to write the current state */
  constructor(inner: SnapshotStore, begun: (meta: SnapshotMeta) => void) {
    this.#inner = inner;
    this.#begun = begun;
  }

  newest(): StoredSnapshot | null {
    return this.#inner.newest();
  }

  begin(meta: SnapshotMeta): SnapshotWriter | null {
    this.#begun(meta);
    return this.#inner.begin(meta);
  }

  receive(snapshot: StoredSnapshot): IncomingSnapshot | null {
    return this.#inner.receive(snapshot);
  }

  openNewest(): SnapshotSource | null {
    return this.#inner.openNewest();
  }

  noteDamaged(snapshot: StoredSnapshot): void {
    this.#inner.noteDamaged(snapshot);
  }

  get isNewestDamaged(): boolean {
    return this.#inner.isNewestDamaged;
  }

  load(): Iterable<Uint8Array> {
    return this.#inner.load();
  }

  prune(): void {
    this.#inner.prune();
  }

  close(): void {
    this.#inner.close();
  }
}
