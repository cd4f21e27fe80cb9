import type { LoadFile } from "./file_loads.ts";

/** `curl` as a client: no script comes near the pace of a server that sends files. */
async function curl(config: string): Promise<void> {
  const process = new Deno.Command("curl", {
    args: ["--silent", "--show-error", "--fail", "--config", "-"],
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode(config));
  await writer.close();
  const { success, stderr } = await process.output();
  if (!success) throw new Error(`Cannot send: ${new TextDecoder().decode(stderr).trim()}`);
}

/** Uploads files one after the other, over one connection. @param base ends with a slash */
export function putFiles(base: string, files: readonly LoadFile[]): Promise<void> {
  return curl(
    files.map(({ path, name }) =>
      `upload-file = "${path}"\nurl = "${base}${name}"\noutput = "/dev/null"\n`
    ).join("next\nfail\nsilent\nshow-error\n"),
  );
}

/** Downloads files one after the other, over one connection, and drops them. */
export function getFiles(base: string, files: readonly LoadFile[]): Promise<void> {
  return curl(
    files.map(({ name }) => `url = "${base}${name}"\noutput = "/dev/null"\n`).join(""),
  );
}

/** Deletes files. It is not measured. */
export async function deleteFiles(base: string, files: readonly LoadFile[]): Promise<void> {
  await curl(
    files.map(({ name }) => `request = "DELETE"\nurl = "${base}${name}"\n`)
      .join("next\nfail\nsilent\nshow-error\n"),
  );
}
