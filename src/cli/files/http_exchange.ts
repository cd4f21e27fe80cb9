import { joinBytes } from "../../base/bytes.ts";
import { messageOf } from "../../base/errors.ts";
import type { HttpCall, HttpClient } from "../../platform/http_client.ts";
import type { Address } from "../../platform/network.ts";

export interface HttpRequest {
  readonly method: string;
  /** The path and query, percent-encoded. */
  readonly target: string;
  /** @default none */
  readonly headers?: Readonly<Record<string, string>>;
  /** @default none */
  readonly body?: AsyncIterable<Uint8Array>;
  /** Size of the body; `null` when it is not known. @default null */
  readonly bodyBytes?: number | null;
  /** Whether the server may refuse the body before it is sent. @default false */
  readonly expectContinue?: boolean;
}

/** An answer, whose body is still to be read. */
export interface HttpReply {
  readonly status: number;
  /** By names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** @throws {HttpBroken} when it ends too early */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Thrown when there is no connection, when it ends too early, or when no HTTP comes through it. */
export class HttpBroken extends Error {
  override name = "HttpBroken";
}

/**
 * Sends a request. If the answer comes before the whole body is sent, the rest is not sent. What
 * reading the body throws is thrown.
 *
 * @throws {HttpBroken}
 */
export async function exchange(
  client: HttpClient,
  address: Address,
  request: HttpRequest,
): Promise<HttpReply> {
  const { method, target, headers = {}, body, bodyBytes = null, expectContinue } = request;
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[\x20-\x7e]*$/.test(value)) throw new Error(`Cannot send ${name}: ${value}`);
  }
  const call = client.call({
    ...{ address, method, target, headers },
    body: body === undefined ? 0 : bodyBytes ?? "chunked",
    ...(expectContinue === undefined ? {} : { expectContinue }),
  });
  try {
    if (body !== undefined) await send(call, body);
    const { status, fields, body: answer } = await unbroken(() => call.answer());
    return { status, headers: fields, body: unbrokenBody(answer) };
  } catch (error) {
    call.destroy();
    throw error;
  }
}

async function send(call: HttpCall, body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of body) {
    await unbroken(async () => await call.write(chunk));
    if (call.hasAnswer) return;
  }
}

/** Reads a whole body. @throws {HttpBroken} when it is larger than `bytesMax` */
export async function bytesOf({ body }: HttpReply, bytesMax: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > bytesMax) throw new HttpBroken(`the answer is longer than ${bytesMax} bytes`);
    parts.push(chunk);
  }
  return joinBytes(parts);
}

async function* unbrokenBody(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await unbroken(() => chunks.next());
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await chunks.return?.();
  }
}

async function unbroken<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw new HttpBroken(messageOf(error), { cause: error });
  }
}
