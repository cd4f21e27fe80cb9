/**
 * Runs the command `openssl`.
 *
 * @returns what it prints
 * @throws {Error} with what it says, when it fails
 */
export async function openssl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command("openssl", {
    args,
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (code !== 0) throw new Error(`openssl ${args.join(" ")}: ${text(stdout)}${text(stderr)}`);
  return text(stdout);
}

/** Whether the command `openssl` is there. Without it, tests that need it are left out. */
export const HAS_OPENSSL = await openssl("version").then(() => true, () => false);
