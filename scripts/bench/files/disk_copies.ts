import type { LoadFile } from "./file_loads.ts";

/** Number of copies, as many as the cluster makes. */
const COPIES = 3;

/**
 * What PUT is compared with: `cp` of the same files three times, and `sync` of all of them. Each
 * client does so on its own.
 *
 * @param directory gets the copies
 */
export async function copyAndSync(
  directory: string,
  clients: readonly (readonly LoadFile[])[],
): Promise<void> {
  await Promise.all(clients.map(async (files, client) => {
    for (let copy = 0; copy < COPIES; copy++) {
      const to = `${directory}/${client}-${copy}`;
      Deno.mkdirSync(to, { recursive: true });
      await run("cp", [...files.map(({ path }) => path), to]);
      // A file each for a few large ones, one call for the whole file system for many small ones.
      const copied = files.map(({ path }) => `${to}/${path.split("/").at(-1)}`);
      await run("sync", copied.length > 8 ? ["--file-system", to] : [...copied, to]);
    }
  }));
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, {
    args: [...args],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`Cannot ${program}: ${new TextDecoder().decode(stderr).trim()}`);
}
