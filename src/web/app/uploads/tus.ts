import { ApiError, pause } from "../api/http.ts";
import { type Answer, send } from "./send.ts";

/** A client of the tus protocol for resumable uploads, version 1.0.0 (https://tus.io). */
const VERSION = { "tus-resumable": "1.0.0" };
const FIRST_WAIT_MS = 500;
const WAIT_MS_MAX = 15_000;
/** Time in milliseconds without progress after which an upload fails; its URL is still good. */
const GIVE_UP_MS = 120_000;

export interface TusOptions {
  readonly file: Blob;
  /** `filename` and `filetype`, and whatever else the server should know. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Where an earlier attempt has begun; `null` to begin. */
  readonly url: string | null;
  readonly signal: AbortSignal;
  readonly onUrl: (url: string) => void;
  readonly onProgress: (sent: number) => void;
  /** Is called when the connection is lost, and when it is back. */
  readonly onWaiting: (isWaiting: boolean) => void;
}

/**
 * Uploads a file, and goes on from where it was after each loss of the connection.
 *
 * @throws {ApiError} when the server refuses it, or does not answer for too long
 */
export async function uploadByTus(options: TusOptions): Promise<void> {
  const { file, signal, onProgress, onWaiting } = options;
  let url = options.url;
  let offset = 0;
  let waitMs = FIRST_WAIT_MS;
  let progressMs = performance.now();
  while (true) {
    try {
      if (url === null) options.onUrl(url = await create(options));
      const found = await offsetOf(url, signal);
      onWaiting(false);
      if (found > offset) progressMs = performance.now();
      offset = found;
      onProgress(offset);
      if (offset >= file.size) return;
      await sendRest(url, file, offset, options);
      onProgress(file.size);
      return;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (url !== null && (error.status === 404 || error.status === 410)) {
        url = null; // the server has forgotten it: begin again
        offset = 0;
      } else if (
        !isPassing(error) || performance.now() - progressMs > GIVE_UP_MS
      ) {
        throw error;
      }
      onProgress(offset); // what is known to have arrived
      onWaiting(true);
      await pause(waitMs, signal);
      waitMs = Math.min(waitMs * 2, WAIT_MS_MAX);
    }
  }
}

/** Lets the server drop what it has of an upload. Failure is no harm: uploads expire. */
export async function terminate(url: string): Promise<void> {
  await fetch(url, { method: "DELETE", headers: VERSION }).catch(() => {});
}

async function create(
  { file, metadata, headers = {}, signal }: TusOptions,
): Promise<string> {
  const answer = await send({
    method: "POST",
    url: "/uploads",
    headers: {
      ...VERSION,
      ...headers,
      "upload-length": String(file.size),
      "upload-metadata": Object.entries(metadata)
        .map(([name, value]) => `${name} ${base64(value)}`).join(","),
    },
    body: null,
    signal,
  });
  const location = answer.header("location");
  if (location === null) throw new ApiError(answer.status, "no-location", "");
  // Only the path counts: a proxy may not know the name under which the browser reaches it.
  const { pathname, search } = new URL(location, globalThis.location.href);
  return pathname + search;
}

async function offsetOf(url: string, signal: AbortSignal): Promise<number> {
  const answer = await send({
    method: "HEAD",
    url,
    headers: VERSION,
    body: null,
    signal,
  });
  return Number(answer.header("upload-offset"));
}

async function sendRest(
  url: string,
  file: Blob,
  offset: number,
  { signal, onProgress }: TusOptions,
): Promise<Answer> {
  return await send({
    method: "PATCH",
    url,
    headers: {
      ...VERSION,
      "content-type": "application/offset+octet-stream",
      "upload-offset": String(offset),
    },
    body: file.slice(offset),
    signal,
    onProgress: (sent) => onProgress(offset + sent),
  });
}

/** Whether another attempt may succeed. 409 and 423: another attempt still holds the upload. */
function isPassing({ status }: ApiError): boolean {
  return status === 0 || status === 409 || status === 423 || status === 429 ||
    status === 408 || status === 500 || (status >= 502 && status <= 504);
}

function base64(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
