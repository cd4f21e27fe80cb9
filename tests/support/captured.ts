import { main } from "../../src/cli/main.ts";

export interface Captured {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `regent` within this process, and returns what it printed. One at a time. */
export async function captured(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Captured> {
  const { log, error } = console;
  let stdout = "";
  let stderr = "";
  console.log = (text: string) => void (stdout += `${text}\n`);
  console.error = (text: string) => void (stderr += `${text}\n`);
  try {
    const code = await main(args, (name) => env[name]);
    return { code, stdout, stderr };
  } finally {
    console.log = log;
    console.error = error;
  }
}
