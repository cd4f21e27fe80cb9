import { Readable } from "node:stream";
import { errorOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Clock } from "../platform/clock.ts";
import { type HttpExchange, HttpServer, type HttpServerTimes } from "../platform/http_server.ts";
import type { Address } from "../platform/network.ts";
import type { BlobStore } from "./blob_store.ts";
import { CLUSTER_FIELD, type ErrorAnswer, SEAL_BYTES, statusOf, Unsealing } from "./blob_wire.ts";
import { FileError } from "./file_error.ts";
import type { UploadsService } from "./resumable_uploads.ts";
import { answerUploadRequest, decodeCall } from "./upload_forwarding.ts";

/** Maximum number of connections, unless told otherwise. */
const CONNECTIONS_MAX = 1_000;
const JSON_FIELDS = [["content-type", "application/json"]] as const;
const CONTENT_FIELDS = [["content-type", "application/octet-stream"]] as const;

export interface BlobServerOptions {
  /** Port 0 takes any free one. */
  readonly address: Address;
  /** Requests that carry another one are refused. */
  readonly clusterId: string;
  readonly store: BlobStore;
  /** The uploads in progress on this node; `null` while there are none to serve. @default null */
  readonly uploads?: () => UploadsService | null;
  /** @default 1,000 */
  readonly connectionsMax?: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** @default 10 s for a head, 30 s idle, 30 s stalled */
  readonly times?: HttpServerTimes;
}

/**
 * Serves the contents on this node to the others:
 *
 *     PUT    /blobs/{id}             {"size": …, "checksum": …} when it is durable. The content is
 *                                    followed by its SHA-256, 32 bytes.
 *     GET    /blobs/{id}?from=&to=   the verified bytes; the connection breaks before a damaged one
 *     DELETE /blobs/{id}             also of a blob that is not here
 *     GET    /ping
 *     POST   /uploads/…              about an upload in progress on this node: see encodeCall
 *
 * Errors are JSON with a code of `FileError`.
 */
export class BlobServer {
  readonly #server: HttpServer;

  private constructor(server: HttpServer) {
    this.#server = server;
  }

  /** @throws {UserError} when the address is not available */
  static async open(options: BlobServerOptions): Promise<BlobServer> {
    const handler = new BlobHandler(options);
    const server = await HttpServer.open({
      connectionsMax: CONNECTIONS_MAX,
      connectionsFlag: "between nodes",
      ...options,
      handle: (exchange) => handler.handle(exchange),
    });
    return new BlobServer(server);
  }

  get port(): number {
    return this.#server.port;
  }

  /** Closes all connections. What they were writing is given up when this resolves. */
  close(): Promise<void> {
    return this.#server.close();
  }
}

class BlobHandler {
  readonly #store: BlobStore;
  readonly #uploads: () => UploadsService | null;
  readonly #clusterId: string;
  readonly #logger: Logger;

  constructor({ store, uploads = () => null, clusterId, logger }: BlobServerOptions) {
    this.#store = store;
    this.#uploads = uploads;
    this.#clusterId = clusterId;
    this.#logger = logger;
  }

  /** Rejects when the connection is to end without, or within, an answer. */
  async handle(exchange: HttpExchange): Promise<void> {
    if (exchange.fields.get(CLUSTER_FIELD) !== this.#clusterId) {
      return await answer(exchange, 403, {
        code: "bad-request",
        message: "This node belongs to another cluster",
      });
    }
    try {
      await this.#route(exchange);
    } catch (error) {
      if (!(error instanceof FileError) || exchange.hasBegun) throw error;
      await answer(exchange, statusOf(error.code), { code: error.code, message: error.message });
    }
  }

  async #route(exchange: HttpExchange): Promise<void> {
    const { method, target } = exchange;
    if (method === "GET" && target === "/ping") return await answer(exchange, 200, {});
    const [, id, query = ""] = /^\/blobs\/([0-9a-f]{32})(?:\?(.*))?$/.exec(target) ?? [];
    if (id !== undefined) {
      if (method === "PUT") return await this.#put(exchange, id);
      if (method === "GET") return await this.#get(exchange, id, new URLSearchParams(query));
      if (method === "DELETE") {
        await this.#store.remove(id);
        return await answer(exchange, 200, {});
      }
    }
    const uploads = this.#uploads();
    if (method === "POST" && target.startsWith("/uploads/") && uploads !== null) {
      return await answerUpload(exchange, uploads);
    }
    throw new FileError("bad-request", `There is no ${method} of this path`);
  }

  async #put(exchange: HttpExchange, id: string): Promise<void> {
    const { bodyBytes } = exchange;
    const writer = await this.#store.create(id, bodyBytes === null ? null : bodyBytes - SEAL_BYTES);
    const unsealing = new Unsealing();
    let sha256 = "";
    try {
      for await (const chunk of exchange.body("lent")) {
        for (const part of unsealing.add(chunk)) await writer.write(part);
      }
      sha256 = unsealing.sha256;
    } catch (error) {
      await writer.abort();
      if (!(error instanceof FileError)) {
        this.#logger.info(`blob ${id} was not received whole: ${errorOf(error).message}`);
      }
      throw error;
    }
    await answer(exchange, 200, { ...await writer.finish(sha256) });
  }

  async #get(exchange: HttpExchange, id: string, query: URLSearchParams): Promise<void> {
    const size = this.#store.sizeOf(id);
    const from = Number(query.get("from") ?? 0);
    const to = Number(query.get("to") ?? size ?? 0);
    const pieces = this.#store.read(id, from, to);
    try {
      // The first piece is read before the head is written, so that its failure has a status.
      const first = await pieces.next();
      await exchange.begin(200, CONTENT_FIELDS, to - from, first.value ?? new Uint8Array(0));
      for await (const piece of pieces) await exchange.write(piece);
    } finally {
      await pieces.return();
    }
  }
}

async function answer(
  exchange: HttpExchange,
  status: number,
  body: ErrorAnswer | Readonly<Record<string, string | number>>,
): Promise<void> {
  await exchange.answer(status, JSON_FIELDS, new TextEncoder().encode(JSON.stringify(body)));
}

async function answerUpload(exchange: HttpExchange, uploads: UploadsService): Promise<void> {
  const { call, rest } = await decodeCall(exchange.body());
  if (exchange.bodyBytes !== null) { for await (const _ of rest); // nothing: the connection is kept
   }
  const request = { path: exchange.target, call };
  const { status, text } = await answerUploadRequest(uploads, request, Readable.from(rest));
  await exchange.answer(status, JSON_FIELDS, new TextEncoder().encode(text));
}
