import { type BlobDisk, type BlobFile, DenoBlobDisk } from "../../src/platform/blob_disk.ts";

/** The calls that a `FaultyBlobDisk` can let fail. */
export type BlobDiskCall =
  | "create"
  | "open"
  | "read"
  | "write"
  | "sync"
  | "syncEarly"
  | "rename"
  | "syncDirectory";

/** The machine's own disk, with faults on demand, and a log of the calls. */
export class FaultyBlobDisk {
  /** Calls in their order, with their paths. */
  readonly calls: string[] = [];
  /** Returns the code of the error with which this call is to fail, or `null`. It may wait. */
  fault: (call: BlobDiskCall, path: string) => string | null | Promise<string | null> = () => null;
  /** Replaces what the system says of free bytes. */
  freeBytes: number | null = null;
  /** The same of the size of the disk. */
  capacityBytes: number | null = null;
  /** Is told of the bytes of each read. */
  onRead: (bytes: number) => void = () => {};
  readonly disk: BlobDisk;
  openFiles = 0;

  private constructor(disk: DenoBlobDisk) {
    const check = async (call: BlobDiskCall, path: string) => {
      this.calls.push(`${call} ${path}`);
      const code = await this.fault(call, path);
      if (code !== null) throw Object.assign(new Error(`injected ${code}`), { code });
    };
    this.disk = {
      list: (path) => disk.list(path),
      makeDirectory: (path) => disk.makeDirectory(path),
      create: async (path) => {
        await check("create", path);
        return this.#file(path, await disk.create(path), check);
      },
      open: async (path) => {
        await check("open", path);
        return this.#file(path, await disk.open(path), check);
      },
      sizeOf: (path) => disk.sizeOf(path),
      changedMs: (path) => disk.changedMs(path),
      rename: async (from, to) => {
        await check("rename", to);
        await disk.rename(from, to);
      },
      remove: (path) => disk.remove(path),
      syncDirectory: async (path) => {
        await check("syncDirectory", path);
        await disk.syncDirectory(path);
      },
      space: () => {
        const space = disk.space();
        return {
          capacityBytes: this.capacityBytes ?? space.capacityBytes,
          freeBytes: this.freeBytes ?? space.freeBytes,
        };
      },
      close: () => disk.close(),
    };
  }

  static async open(directory: string): Promise<FaultyBlobDisk> {
    return new FaultyBlobDisk(await DenoBlobDisk.open(directory));
  }

  #file(
    path: string,
    file: BlobFile,
    check: (call: BlobDiskCall, path: string) => Promise<void>,
  ): BlobFile {
    this.openFiles++;
    return {
      sizeBytes: () => file.sizeBytes(),
      read: async (into, offset) => {
        await check("read", path);
        this.onRead(into.length);
        await file.read(into, offset);
      },
      write: async (bytes) => {
        await check("write", path);
        await file.write(bytes);
      },
      sync: async () => {
        await check("sync", path);
        await file.sync();
      },
      syncEarly: async () => {
        await check("syncEarly", path);
        await file.syncEarly();
      },
      close: () => {
        this.openFiles--;
        file.close();
      },
    };
  }
}
