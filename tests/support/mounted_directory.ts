/** Whether this process may mount file systems. */
export const CAN_MOUNT = Deno.uid() === 0 && Deno.build.os === "linux" && isMountAllowed();

/** Runs a test with a directory that is a file system of its own, as a volume is. */
export async function withMountedDirectory<T>(run: (path: string) => Promise<T>): Promise<T> {
  const path = Deno.makeTempDirSync();
  try {
    if (!mount(path)) throw new Error(`Cannot mount a tmpfs on ${path}`);
    return await run(path);
  } finally {
    unmount(path);
    Deno.removeSync(path);
  }
}

function isMountAllowed(): boolean {
  const path = Deno.makeTempDirSync();
  try {
    return mount(path);
  } finally {
    unmount(path);
    Deno.removeSync(path);
  }
}

function mount(path: string): boolean {
  return succeeds("mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", path);
}

function unmount(path: string): void {
  succeeds("umount", "-l", path);
}

function succeeds(command: string, ...args: string[]): boolean {
  const quiet = { stdout: "null", stderr: "null" } as const;
  return new Deno.Command(command, { args, ...quiet }).outputSync().success;
}
