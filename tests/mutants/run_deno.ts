const OUTPUT_KEPT = 64 * 1024;

/** The result of a run of Deno. */
export interface RunResult {
  readonly ending: "passed" | "failed" | "hung";
  readonly seconds: number;
  /** The end of its output: standard output, then standard error. */
  readonly output: string;
}

/** Runs `deno` in a directory, and kills it when the time is up. */
export async function runDeno(
  directory: string,
  args: readonly string[],
  secondsMax: number,
): Promise<RunResult> {
  const sinceMs = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: directory,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let isHung = false;
  const timer = setTimeout(() => {
    isHung = true;
    child.kill("SIGKILL");
  }, secondsMax * 1_000);
  const outputs = Promise.all([lastOf(child.stdout), lastOf(child.stderr)]);
  const { success, signal } = await child.status;
  clearTimeout(timer);
  // Deno ends with an exit code even if memory runs out. A signal comes from outside.
  if (!isHung && (signal === "SIGKILL" || signal === "SIGTERM")) {
    throw new Error(`Cannot judge deno ${args.join(" ")}: it was ended from outside by ${signal}`);
  }
  // A grandchild process may outlive it and hold the pipes.
  const output = isHung ? "" : (await outputs).join("");
  const seconds = (performance.now() - sinceMs) / 1_000;
  return { ending: isHung ? "hung" : success ? "passed" : "failed", seconds, output };
}

async function lastOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let kept = "";
  for await (const chunk of stream) {
    kept = (kept + decoder.decode(chunk, { stream: true })).slice(-OUTPUT_KEPT);
  }
  return kept;
}
