export interface ToolResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Whether a program is on the PATH. */
export function hasTool(name: string): boolean {
  try {
    return new Deno.Command(name, {
      args: ["--version"],
      stdout: "null",
      stderr: "null",
    }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Runs a program until it ends, and kills it if it takes too long. */
export async function runTool(
  name: string,
  args: readonly string[],
  { stdin = "", timeoutMs = 120_000 }: { stdin?: string; timeoutMs?: number } = {},
): Promise<ToolResult> {
  const child = new Deno.Command(name, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  const writer = child.stdin.getWriter();
  const written = writer.write(new TextEncoder().encode(stdin)).then(() => writer.close());
  const [{ code, stdout, stderr }] = await Promise.all([child.output(), written.catch(() => {})]);
  clearTimeout(timer);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** The output of `redis-cli`, errors included, without the last line feed. */
export async function redisCli(
  port: number,
  args: readonly string[],
  stdin = "",
): Promise<string> {
  const { stdout, stderr } = await runTool("redis-cli", ["-p", String(port), ...args], { stdin });
  return (stdout + stderr).replace(/\n$/, "");
}
