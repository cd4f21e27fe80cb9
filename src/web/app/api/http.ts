/** An error that the server described (RFC 9457), or that kept a request from reaching it. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** The HTTP status; 0 if there was no answer. */
  readonly status: number;
  /** The server's code, such as `not-found`; `unreachable` if there was no answer. */
  readonly code: string;

  constructor(status: number, code: string, detail: string) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

/** @throws {ApiError} unless the answer is a success */
export async function request(
  path: string,
  init: RequestInit = {},
): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError(0, "unreachable", "");
  }
  if (response.ok) return response;
  throw await errorOf(response.status, await response.text().catch(() => ""));
}

/** The error that an answer describes. */
export function errorOf(status: number, body: string): ApiError {
  try {
    const { code, detail } = JSON.parse(body);
    return new ApiError(status, String(code), String(detail));
  } catch {
    return new ApiError(status, `http-${status}`, body.slice(0, 200));
  }
}

export async function getJson<T>(
  path: string,
  init: RequestInit = {},
): Promise<T> {
  return await (await request(path, init)).json() as T;
}

/** Waits, or rejects as soon as the signal is aborted. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}
