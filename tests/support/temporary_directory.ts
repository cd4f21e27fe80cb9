/** Runs with a new directory, and removes it at the end. */
export async function withTemporaryDirectory<T>(run: (dir: string) => Promise<T>): Promise<T> {
  const dir = Deno.makeTempDirSync();
  try {
    return await run(dir);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}
