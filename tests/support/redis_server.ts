/** A real `redis-server` for comparison. */
export interface RedisServer {
  readonly port: number;
  readonly processId: number;
  stop(): Promise<void>;
}

/** Whether `redis-server` is on the PATH and may be run. */
export async function hasRedisServer(): Promise<boolean> {
  try {
    const { success } = await new Deno.Command("redis-server", {
      args: ["--version"],
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

export interface RedisServerOptions {
  /**
   * The directory in which each write is synced before it is acknowledged. @default no disk is used
   */
  readonly dir?: string;
  /** The port of the primary that it replicates. @default it is a primary itself */
  readonly primaryPort?: number;
}

/** Starts a server on a free port, with one database, and waits until it serves. */
export async function startRedisServer(
  { dir, primaryPort }: RedisServerOptions = {},
): Promise<RedisServer> {
  const storage = dir === undefined
    ? ["--appendonly", "no"]
    : ["--dir", dir, "--appendonly", "yes", "--appendfsync", "always"];
  const role = primaryPort === undefined ? [] : ["--replicaof", "127.0.0.1", String(primaryPort)];
  for (let attempt = 1;; attempt++) {
    const port = freePort();
    const child = new Deno.Command("redis-server", {
      // deno-fmt-ignore
      args: [
        "--port", String(port), "--bind", "127.0.0.1", "--databases", "1",
        "--save", "", ...storage, ...role, "--enable-debug-command", "no",
        "--repl-diskless-sync-delay", "0",
      ],
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const log = child.stdout.getReader();
    if (await waitFor(log, "Ready to accept connections")) {
      const drained = drain(log);
      return {
        port,
        processId: child.pid,
        async stop() {
          child.kill("SIGKILL");
          await child.status;
          await drained;
        },
      };
    }
    await child.status;
    if (attempt === 5) throw new Error("Cannot start redis-server: it ended by itself five times");
  }
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

async function waitFor(log: ReadableStreamDefaultReader<Uint8Array>, text: string) {
  const decoder = new TextDecoder();
  let seen = "";
  while (!seen.includes(text)) {
    const { value, done } = await log.read();
    if (done) return false;
    seen += decoder.decode(value, { stream: true });
  }
  return true;
}

async function drain(log: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  while (!(await log.read()).done);
}
