/** The content of a response, and what to do when it breaks off. */
export interface ByteStreamOptions {
  /** Makes the chunks. @param signal is aborted when the client is gone */
  readonly chunks: (signal: AbortSignal) => AsyncIterable<Uint8Array>;
  /** Number of bytes that the chunks must have together. */
  readonly length: number;
  /** Ends the connection. */
  readonly abort: () => void;
  /** Called with an error of the chunks after the first one. */
  readonly failed: (error: unknown) => void;
}

/**
 * A response body that reads a chunk only when the one before is sent, and stops when its client is
 * gone. It holds one chunk. If the chunks end with an error, the connection ends instead, since
 * nothing else tells a client that the rest is missing.
 *
 * @throws what the chunks throw before the first one, so that there is still an answer to give
 */
export async function byteStream(
  { chunks, length, abort, failed }: ByteStreamOptions,
): Promise<ReadableStream<Uint8Array>> {
  const controller = new AbortController();
  const iterator = chunks(controller.signal)[Symbol.asyncIterator]();
  let first: IteratorResult<Uint8Array> | null = await iterator.next();
  let missing = length;
  return new ReadableStream<Uint8Array>({
    async pull(stream) {
      try {
        const { done, value } = first ?? await iterator.next();
        first = null;
        missing -= done ? 0 : value.length;
        if (missing < 0 || (done && missing > 0)) {
          throw new Error(`the content has another length than ${length} bytes`);
        }
        if (done) stream.close();
        else stream.enqueue(value);
      } catch (error) {
        if (controller.signal.aborted) return; // nobody reads any more
        failed(error);
        abort(); // which cancels this stream
      }
    },
    async cancel() {
      first = null;
      controller.abort();
      await iterator.return?.();
    },
  }, { highWaterMark: 0 });
}
