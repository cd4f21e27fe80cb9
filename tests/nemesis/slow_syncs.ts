import { existsSync } from "node:fs";

const WRITERS = 3;
const BLOCK = "bs=64k";

/**
 * Makes syncs slow for all processes on this file system: `dd` processes that write and sync all
 * the time compete for it.
 *
 * @returns a function that ends it
 */
export function slowSyncs(dir: string): () => Promise<void> {
  const writers = Array.from({ length: WRITERS }, (_, at) => {
    const path = `${dir}/hammer-${at}`;
    const args = ["if=/dev/zero", `of=${path}`, BLOCK, "count=16384", "oflag=sync", "conv=notrunc"];
    const quiet = { stdin: "null", stdout: "null", stderr: "null" } as const;
    return { path, process: new Deno.Command("dd", { args, ...quiet }).spawn() };
  });
  return async () => {
    for (const { path, process } of writers) {
      try {
        process.kill("SIGKILL");
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // it has ended
      }
      await process.status;
      if (existsSync(path)) Deno.removeSync(path); // it may have been killed before it created the file
    }
  };
}
