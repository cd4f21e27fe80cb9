import { LoadConnection } from "./load_connection.ts";
import { LoadRequests } from "./load_requests.ts";

const BATCH_REQUESTS_MAX = 1_000;
const BATCH_BYTES_MAX = 2 ** 20;

export interface FillOptions {
  readonly port: number;
  readonly keys: number;
  readonly valueBytes: number;
}

/** Writes each key once. @throws when a write is refused, or the connection ends */
export async function fill({ port, keys, valueBytes }: FillOptions): Promise<void> {
  const requests = new LoadRequests({ command: "set", keys, valueBytes });
  const batch = Math.max(1, Math.min(BATCH_REQUESTS_MAX, Math.floor(BATCH_BYTES_MAX / valueBytes)));
  let missing = 0;
  let answered = Promise.withResolvers<void>();
  const connection = await LoadConnection.connect({
    port,
    onReply(text) {
      if (text !== "+OK\r\n") answered.reject(new Error(`Cannot fill: the answer is ${text}`));
      if (--missing === 0) answered.resolve();
    },
    onEnd: () => answered.reject(new Error("Cannot fill: the connection was closed")),
  });
  try {
    for (let from = 0; from < keys; from += batch) {
      answered = Promise.withResolvers<void>();
      const count = Math.min(batch, keys - from);
      missing = count;
      let text = "";
      for (let at = 0; at < count; at++) text += requests.of(from + at);
      connection.send(text);
      await answered.promise;
    }
  } finally {
    answered.promise.catch(() => {}); // closing rejects it when it was not waited for
    connection.close();
  }
}
