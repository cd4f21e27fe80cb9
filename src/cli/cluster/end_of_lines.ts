/** Copies a stream of text to the end of a file, and resolves with its last line when it ends. */
export async function endOfLines(
  stream: ReadableStream<Uint8Array>,
  path: string,
): Promise<string> {
  using file = Deno.openSync(path, { append: true, create: true, write: true });
  const decoder = new TextDecoder();
  let lastLine = "";
  let begun = "";
  for await (const chunk of stream) {
    file.writeSync(chunk);
    const lines = (begun + decoder.decode(chunk, { stream: true })).split("\n");
    begun = (lines.pop() ?? "").slice(-1_000);
    lastLine = lines.findLast((line) => line !== "") ?? lastLine;
  }
  return begun === "" ? lastLine : begun;
}
