import { randomFillSync } from "node:crypto";

const MB = 1_000_000;
const BLOCK_BYTES = 1024 * 1024;

/** Files that clients put and get, all clients the same number. */
export interface FileLoad {
  /** For example `100 MB`. */
  readonly name: string;
  readonly clients: number;
  /** Number of files of all clients together. */
  readonly files: number;
  /** Size of each file. */
  readonly bytes: number;
}

export interface FileSizes {
  readonly largeBytes: number;
  readonly mediumBytes: number;
  readonly smallFiles: number;
  readonly smallBytes: number;
}

export const FULL_SIZES: FileSizes = {
  largeBytes: 1_000 * MB,
  mediumBytes: 100 * MB,
  smallFiles: 1_000,
  smallBytes: 10_000,
};

export const QUICK_SIZES: FileSizes = {
  largeBytes: 200 * MB,
  mediumBytes: 20 * MB,
  smallFiles: 200,
  smallBytes: 10_000,
};

/** Eight clients share the bytes of one: each has a file of an eighth, or an eighth of the files. */
export function loadsOf(sizes: FileSizes): FileLoad[] {
  const { largeBytes, mediumBytes, smallFiles, smallBytes } = sizes;
  return [1, 8].flatMap((clients) => [
    ...[largeBytes, mediumBytes].map((bytes) => ({
      name: clients === 1 ? `${bytes / MB} MB` : `8 × ${bytes / MB / 8} MB`,
      clients,
      files: clients,
      bytes: Math.floor(bytes / clients),
    })),
    {
      name: `${smallFiles} × ${smallBytes / 1_000} KB`,
      clients,
      files: smallFiles,
      bytes: smallBytes,
    },
  ]);
}

/** A file of a load: where it lies, and its name in the store. */
export interface LoadFile {
  readonly path: string;
  readonly name: string;
}

/** Writes the files of a load into a directory. @returns those of each client */
export function writeFiles(directory: string, load: FileLoad): LoadFile[][] {
  const { clients, files, bytes } = load;
  const perClient = files / clients;
  return Array.from({ length: clients }, (_, client) => {
    const folder = `c${client}`;
    Deno.mkdirSync(`${directory}/${folder}`, { recursive: true });
    return Array.from({ length: perClient }, (_, at) => {
      const name = `${folder}/${at}`;
      writeRandom(`${directory}/${name}`, bytes);
      return { path: `${directory}/${name}`, name };
    });
  });
}

/** Writes bytes that no file system can compress or share. */
export function writeRandom(path: string, bytes: number): void {
  const file = Deno.openSync(path, { write: true, create: true, truncate: true });
  const block = randomFillSync(new Uint8Array(Math.min(BLOCK_BYTES, bytes)));
  const numbers = new DataView(block.buffer);
  for (let at = 0; at < bytes; at += block.length) {
    if (block.length >= 8) numbers.setFloat64(0, at + Math.random());
    file.writeSync(block.subarray(0, Math.min(block.length, bytes - at)));
  }
  file.syncSync();
  file.close();
}
