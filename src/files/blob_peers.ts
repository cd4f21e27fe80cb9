import { parseAddress } from "../base/address.ts";
import type { ConnectChannel } from "../platform/byte_channel.ts";
import type { Clock } from "../platform/clock.ts";
import { type HttpAnswer, type HttpCall, HttpClient } from "../platform/http_client.ts";
import type { BodySource } from "../platform/http_listener.ts";
import {
  ANSWER_BYTES_MAX,
  CLUSTER_FIELD,
  errorOfAnswer,
  NODE_FIELD,
  peerError,
  SEAL_BYTES,
} from "./blob_wire.ts";
import type { BlobPeers, BlobSummary, BlobWriter } from "./blobs.ts";
import { chunksOf } from "./body_chunks.ts";
import { FileError } from "./file_error.ts";
import { encodeCall, type UploadAnswer, type UploadRequest } from "./upload_forwarding.ts";

/** From this size in bytes, a node is asked whether it takes a blob before it is sent. */
const ASK_BYTES_MIN = 256 * 1024;

export interface HttpBlobPeersOptions {
  /** The id of this cluster, which may become known later. It goes with each request. */
  readonly clusterId: () => string;
  /** The id of this node, which goes with each request, too. @default a proxy's: none */
  readonly node?: string;
  /** Whether nothing may be exchanged with an address, on purpose. @default never */
  readonly isCutOff?: (address: string) => boolean;
  readonly clock: Clock;
  /** How connections are made. @default without TLS */
  readonly connect?: ConnectChannel;
  /** Time in milliseconds for a connection to be made. @default 5 s */
  readonly connectMs?: number;
  /** Time in milliseconds in which the other node must take or send something. @default 30 s */
  readonly stalledMs?: number;
  /** Maximum number of connections that stay open without a request. @default 64 */
  readonly idleAllMax?: number;
}

/**
 * `BlobPeers` over HTTP/1.1, with connections that are kept for the next request. Addresses are
 * `host:port` of files ports. Nothing is tried twice: that is the caller's business. Failures are
 * `FileError`s: those that the other node tells, and `unavailable` for a node that cannot be
 * reached, breaks off, or stops for 30 s.
 */
export class HttpBlobPeers implements BlobPeers {
  readonly #client: HttpClient;
  readonly #headers: () => Readonly<Record<string, string>>;
  readonly #isCutOff: (address: string) => boolean;

  constructor({ clusterId, node, isCutOff = () => false, ...options }: HttpBlobPeersOptions) {
    const own = node === undefined ? {} : { [NODE_FIELD]: node };
    this.#headers = () => ({ [CLUSTER_FIELD]: clusterId(), ...own });
    this.#isCutOff = isCutOff;
    this.#client = new HttpClient(options);
  }

  push(address: string, id: string, size: number | null): BlobWriter {
    const bytes = size === null ? "chunked" : size + SEAL_BYTES;
    const call = this.#call(address, "PUT", `/blobs/${id}`, bytes, {
      expectContinue: size === null || size >= ASK_BYTES_MIN,
    });
    return new PushedBlob(address, size, call);
  }

  async *pull(
    address: string,
    id: string,
    from: number,
    to: number,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const call = this.#call(address, "GET", `/blobs/${id}?from=${from}&to=${to}`);
    try {
      const { status, fields, body } = await call.answer("lent");
      if (status !== 200) throw errorOfAnswer(status, await textOf(body));
      if (fields.get("content-length") !== String(to - from)) {
        throw new Error("other bytes were answered than asked for");
      }
      yield* body;
    } catch (error) {
      throw peerError(address, error);
    } finally {
      call.destroy();
    }
  }

  async remove(address: string, id: string): Promise<void> {
    const call = this.#call(address, "DELETE", `/blobs/${id}`);
    await settled(address, call);
  }

  async ping(address: string): Promise<boolean> {
    try {
      await settled(address, this.#call(address, "GET", "/ping"));
      return true;
    } catch {
      return false;
    }
  }

  /** What a node says of its repair, not checked yet. @throws {FileError} */
  async progress(address: string): Promise<unknown> {
    const text = await settled(address, this.#call(address, "GET", "/progress"));
    try {
      return JSON.parse(text);
    } catch (error) {
      throw peerError(address, error);
    }
  }

  /**
   * Sends a request about an upload. When the body breaks off, so does the connection.
   *
   * @throws {FileError} `unavailable` when the node does not answer, `bad-request` for a long call
   */
  async sendUpload(
    address: string,
    { path, call: args }: UploadRequest,
    body: BodySource | null,
  ): Promise<UploadAnswer> {
    const first = encodeCall(args);
    const call = this.#call(address, "POST", path, body === null ? first.length : "chunked");
    try {
      await call.write(first);
      if (body !== null) {
        for await (const chunk of chunksOf(body)) {
          if (call.hasAnswer) break;
          await call.write(chunk);
        }
      }
      const answer = await call.answer();
      return { status: answer.status, text: await textOf(answer.body) };
    } catch (error) {
      throw peerError(address, error);
    } finally {
      call.destroy();
    }
  }

  /** Closes the connections to those with whom nothing may be exchanged any more. */
  disconnectCutOff(): void {
    this.#client.disconnect(this.#isCutOff);
  }

  /** Closes all connections; what is under way fails. */
  close(): void {
    this.#client.close();
  }

  #call(
    text: string,
    method: string,
    target: string,
    body: number | "chunked" = 0,
    options: { readonly expectContinue?: boolean } = {},
  ): HttpCall {
    const address = parseAddress(text);
    if (address === null) throw new FileError("bad-request", `This is not an address: ${text}`);
    if (this.#isCutOff(text)) throw peerError(text, new Error("it is cut off on purpose"));
    const headers = this.#headers();
    return this.#client.call({ address, method, target, headers, body, ...options });
  }
}

class PushedBlob implements BlobWriter {
  readonly #address: string;
  readonly #call: HttpCall;
  readonly #announced: number | null;
  #size = 0;
  #failure: FileError | null = null;
  #isFinishing = false;

  constructor(address: string, announced: number | null, call: HttpCall) {
    this.#address = address;
    this.#announced = announced;
    this.#call = call;
  }

  async ready(): Promise<void> {
    try {
      await this.#call.continued();
    } catch (error) {
      this.#fail(error);
    }
    if (this.#call.hasAnswer) await this.#refused();
  }

  write(chunk: Uint8Array): Promise<void> | void {
    if (this.#failure !== null || this.#call.hasAnswer) return this.#refused();
    this.#size += chunk.length;
    if (this.#announced !== null && this.#size > this.#announced) return this.#wrongSize();
    return this.#call.write(chunk).then(
      () => this.#call.hasAnswer ? this.#refused() : undefined,
      (error) => this.#fail(error),
    );
  }

  async finish(sha256: string): Promise<BlobSummary> {
    if (this.#failure !== null) throw this.#failure;
    if (this.#announced !== null && this.#size < this.#announced && !this.#call.hasAnswer) {
      return await this.#wrongSize();
    }
    this.#isFinishing = true;
    try {
      await this.#call.write(Uint8Array.fromHex(sha256));
      const { size, checksum } = JSON.parse(await settled(this.#address, this.#call));
      if (typeof size !== "number" || !/^[0-9a-f]{64}$/.test(checksum)) {
        throw new Error("the answer makes no sense");
      }
      return { size, checksum };
    } catch (error) {
      return this.#fail(error);
    }
  }

  abort(): Promise<void> {
    if (!this.#isFinishing) {
      this.#failure ??= new FileError("aborted", "The upload was given up");
      this.#call.destroy();
    }
    return Promise.resolve();
  }

  /** The other node has answered before it had everything. */
  async #refused(): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    try {
      await settled(this.#address, this.#call);
    } catch (error) {
      this.#fail(error);
    }
    this.#fail(new Error("the node answered before it had everything"));
  }

  async #wrongSize(): Promise<never> {
    const message = `${this.#size} instead of the announced ${this.#announced} bytes came`;
    return await this.#fail(new FileError("bad-request", message));
  }

  #fail(error: unknown): never {
    this.#failure ??= peerError(this.#address, error);
    this.#call.destroy();
    throw this.#failure;
  }
}

/** The text of a good answer. @throws {FileError} what another answer says */
async function settled(address: string, call: HttpCall): Promise<string> {
  try {
    const { status, body } = await call.answer();
    const text = await textOf(body);
    if (status !== 200) throw errorOfAnswer(status, text);
    return text;
  } catch (error) {
    throw peerError(address, error);
  } finally {
    call.destroy();
  }
}

async function textOf(body: HttpAnswer["body"]): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error("the answer is too long");
    text += decoder.decode(chunk, { stream: true });
  }
  return text;
}
