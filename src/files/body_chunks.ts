import { joinBytes } from "../base/bytes.ts";
import type { BodySource } from "../platform/http_listener.ts";
import { FileError } from "./file_error.ts";

/** Number of bytes at which the sender is asked to wait. */
const QUEUED_BYTES_MAX = 1024 * 1024;

/**
 * The chunks of a body. What arrives while one is used becomes one chunk, so that a body of single
 * bytes costs little more than another one. Memory is bounded, since the sender is made to wait.
 *
 * @param signal ends the chunks with its reason
 * @throws {FileError} `aborted` when the body breaks off, after what has arrived
 */
export async function* chunksOf(
  body: BodySource,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let queue: Uint8Array[] = [];
  let queuedBytes = 0;
  let end = "open" as "open" | "complete" | "broken";
  let isOver = false;
  let wake = () => {};
  const ended = (how: "complete" | "broken") => {
    if (end === "open") end = how;
    wake();
  };
  body.on("data", (chunk) => {
    if (isOver) return;
    queue.push(chunk.slice());
    queuedBytes += chunk.length;
    if (queuedBytes >= QUEUED_BYTES_MAX) body.pause();
    wake();
  });
  body.on("end", () => ended("complete"));
  body.on("error", () => ended("broken"));
  body.on("close", () => ended("broken"));
  const stop = () => wake();
  signal?.addEventListener("abort", stop);
  try {
    for (;;) {
      signal?.throwIfAborted();
      if (queue.length > 0) {
        const chunk = queue.length === 1 ? queue[0] : joinBytes(queue);
        queue = [];
        queuedBytes = 0;
        body.resume();
        if (chunk !== undefined && chunk.length > 0) yield chunk;
      } else if (end === "complete") {
        return;
      } else if (end === "broken" || body.destroyed === true) {
        throw new FileError("aborted", "The body ended before it was complete.");
      } else {
        await new Promise<void>((resolve) => wake = resolve);
      }
    }
  } finally {
    isOver = true;
    signal?.removeEventListener("abort", stop);
  }
}
