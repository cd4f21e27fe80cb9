import { statfs } from "node:fs/promises";

const ROOMY = "1g";
/** Free space of a full disk: less than the log preallocates. */
const REST_BYTES = 16 * 1024;

/** A file system for one node's data, which can be resized while it is in use. */
export class SmallDisk {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** @returns `null` if mounting is not allowed */
  static async mount(path: string): Promise<SmallDisk | null> {
    if (Deno.uid() !== 0) return null;
    Deno.mkdirSync(path, { recursive: true });
    const isMounted = await succeeds("mount", "-t", "tmpfs", "-o", `size=${ROOMY}`, "tmpfs", path);
    return isMounted ? new SmallDisk(path) : null;
  }

  /** Leaves hardly any free space. */
  async fill(): Promise<boolean> {
    const { blocks, bsize, bfree } = await statfs(this.#path);
    const usedBytes = (blocks - bfree) * bsize;
    return await this.#resize(String(usedBytes + REST_BYTES));
  }

  async empty(): Promise<boolean> {
    return await this.#resize(ROOMY);
  }

  /** Keeps the files on the disk below when the file system is gone. */
  async keepFiles(): Promise<void> {
    const copy = `${this.#path}.copy`;
    await succeeds("cp", "-a", this.#path, copy);
    await this.unmount();
    Deno.removeSync(this.#path);
    Deno.renameSync(copy, this.#path);
  }

  async unmount(): Promise<void> {
    await succeeds("umount", "-l", this.#path);
  }

  #resize(size: string): Promise<boolean> {
    return succeeds("mount", "-o", `remount,size=${size}`, this.#path);
  }
}

async function succeeds(command: string, ...args: string[]): Promise<boolean> {
  const quiet = { stdout: "null", stderr: "null" } as const;
  return (await new Deno.Command(command, { args, ...quiet }).output()).success;
}
