import { Readable } from "node:stream";
import { errorOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Clock } from "../platform/clock.ts";
import { type HttpExchange, HttpServer, type HttpServerTimes } from "../platform/http_server.ts";
import type { Address } from "../platform/network.ts";
import type { ConnectionGate } from "../platform/sockets.ts";
import type { BlobStore } from "./blob_store.ts";
import {
  CLUSTER_FIELD,
  type ErrorAnswer,
  NODE_FIELD,
  SEAL_BYTES,
  statusOf,
  Unsealing,
} from "./blob_wire.ts";
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
  /**
   * Whether nothing may be exchanged with a node, on purpose; `null` for proxies. It is asked again
   * and again during a transfer. @default never
   */
  readonly isCutOff?: (node: string | null) => boolean;
  /** What this node does to repair, as a value for JSON. @default nothing */
  readonly progress?: () => object;
  /** @default 1,000 */
  readonly connectionsMax?: number;
  /** What a connection goes through first. @default nothing */
  readonly gate?: ConnectionGate | null;
  /** Maximum number of requests with contents at the same time. @default `connectionsMax` */
  readonly transfersMax?: number;
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
 *     GET    /progress               what this node repairs: see node_progress.ts
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
  readonly #isCutOff: (node: string | null) => boolean;
  readonly #progress: () => object;
  readonly #transfersMax: number;
  readonly #logger: Logger;
  #transfers = 0;

  constructor(options: BlobServerOptions) {
    const { store, uploads = () => null, clusterId, isCutOff = () => false, logger } = options;
    this.#progress = options.progress ?? (() => ({}));
    this.#transfersMax = options.transfersMax ?? Infinity;
    this.#store = store;
    this.#uploads = uploads;
    this.#clusterId = clusterId;
    this.#isCutOff = isCutOff;
    this.#logger = logger;
  }

  /** Rejects when the connection is to end without, or within, an answer. */
  async handle(exchange: HttpExchange): Promise<void> {
    this.#checkCutOff(exchange);
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

  #checkCutOff({ fields }: HttpExchange): void {
    if (this.#isCutOff(fields.get(NODE_FIELD) ?? null)) throw new Error("cut off on purpose");
  }

  async *#bodyOf(exchange: HttpExchange): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of exchange.body()) {
      this.#checkCutOff(exchange);
      yield chunk;
    }
  }

  async #route(exchange: HttpExchange): Promise<void> {
    const { method, target } = exchange;
    if (method === "GET" && target === "/ping") return await answer(exchange, 200, {});
    if (method === "GET" && target === "/progress") {
      return await answer(exchange, 200, this.#progress());
    }
    const [, id, query = ""] = /^\/blobs\/([0-9a-f]{32})(?:\?(.*))?$/.exec(target) ?? [];
    if (id !== undefined) {
      if (method === "PUT") return await this.#transfer(() => this.#put(exchange, id));
      if (method === "GET") {
        const params = new URLSearchParams(query);
        return await this.#transfer(() => this.#get(exchange, id, params));
      }
      if (method === "DELETE") {
        await this.#store.remove(id);
        return await answer(exchange, 200, {});
      }
    }
    const uploads = this.#uploads();
    if (method === "POST" && target.startsWith("/uploads/") && uploads !== null) {
      return await this.#transfer(() => answerUpload(exchange, this.#bodyOf(exchange), uploads));
    }
    throw new FileError("bad-request", `There is no ${method} of this path`);
  }

  async #transfer(run: () => Promise<void>): Promise<void> {
    if (this.#transfers >= this.#transfersMax) {
      throw new FileError("unavailable", "This node has too many transfers in progress.");
    }
    this.#transfers++;
    try {
      await run();
    } finally {
      this.#transfers--;
    }
  }

  async #put(exchange: HttpExchange, id: string): Promise<void> {
    const { bodyBytes } = exchange;
    const writer = await this.#store.create(id, bodyBytes === null ? null : bodyBytes - SEAL_BYTES);
    const unsealing = new Unsealing();
    let sha256 = "";
    try {
      for await (const chunk of exchange.body("lent")) {
        this.#checkCutOff(exchange);
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
      for await (const piece of pieces) {
        this.#checkCutOff(exchange);
        await exchange.write(piece);
      }
    } finally {
      await pieces.return();
    }
  }
}

async function answer(
  exchange: HttpExchange,
  status: number,
  body: ErrorAnswer | object,
): Promise<void> {
  await exchange.answer(status, JSON_FIELDS, new TextEncoder().encode(JSON.stringify(body)));
}

async function answerUpload(
  exchange: HttpExchange,
  body: AsyncGenerator<Uint8Array, void, undefined>,
  uploads: UploadsService,
): Promise<void> {
  const { call, rest } = await decodeCall(body);
  if (exchange.bodyBytes !== null) { for await (const _ of rest); // nothing: the connection is kept
   }
  const request = { path: exchange.target, call };
  const { status, text } = await answerUploadRequest(uploads, request, Readable.from(rest));
  await exchange.answer(status, JSON_FIELDS, new TextEncoder().encode(text));
}
