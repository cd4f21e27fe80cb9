import { ApiError, errorOf } from "../api/http.ts";

export interface Answer {
  readonly status: number;
  readonly header: (name: string) => string | null;
}

export interface SendOptions {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Blob | null;
  readonly signal: AbortSignal;
  /** Is called with the number of bytes sent so far: `fetch` does not say. */
  readonly onProgress?: (sent: number) => void;
}

/** Time in milliseconds without progress after which a request is given up. */
const STALLED_MS = 30_000;

/**
 * Sends a request with a large body.
 *
 * @throws {ApiError} unless the answer is a success; the signal's reason when it is aborted
 */
export function send(
  { method, url, headers, body, signal, onProgress }: SendOptions,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const xhr = new XMLHttpRequest();
    let timer = 0;
    const restartTimer = () => {
      clearTimeout(timer);
      timer = setTimeout(() => xhr.abort(), STALLED_MS);
    };
    const abort = () => xhr.abort();
    signal.addEventListener("abort", abort, { once: true });
    xhr.upload.onprogress = ({ loaded }) => {
      restartTimer();
      onProgress?.(loaded);
    };
    // Once all is sent, the cluster may take its time to confirm the copies.
    xhr.upload.onload = () => clearTimeout(timer);
    xhr.onloadend = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      if (signal.aborted) return reject(signal.reason);
      if (xhr.status === 0) return reject(new ApiError(0, "unreachable", ""));
      if (xhr.status >= 400) {
        return reject(errorOf(xhr.status, xhr.responseText));
      }
      resolve({
        status: xhr.status,
        header: (name) => xhr.getResponseHeader(name),
      });
    };
    xhr.open(method, url);
    for (const [name, value] of Object.entries(headers)) {
      xhr.setRequestHeader(name, value);
    }
    if (body !== null) restartTimer();
    xhr.send(body);
  });
}
