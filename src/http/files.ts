import { messageOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { FileError } from "../files/file_error.ts";
import type { FileRecord, FilesService, ListQuery, PutOptions } from "../files/files.ts";
import type { Clock } from "../platform/clock.ts";
import { FILE_COPIES_MAX } from "../store/file_rules.ts";
import type { Api, ApiRequest } from "./api.ts";
import { byteStream } from "./byte_stream.ts";
import { keepsRange, tagOf, verdictOf, writeConditionOf } from "./conditions.ts";
import { digestsOf, reprDigestOf } from "./digests.ts";
import * as described from "./file_descriptions.ts";
import { nameOfPath, pathOfFile } from "./file_name.ts";
import { safeHeaders, typeToKeep } from "./media_type.ts";
import { Problem } from "./problem.ts";
import { contentRange, RangeParts } from "./range_body.ts";
import { type ByteRange, rangesOf } from "./ranges.ts";
import { checkConditions, checkQuery } from "./request_checks.ts";
import { wholeNumberOf } from "./whole_number.ts";

/** Maximum number of files in a page. */
const PAGE_MAX = 1_000;
const PAGE_DEFAULT = 100;
/** Maximum number of copies of a file. */

export interface FilesOptions {
  readonly files: FilesService;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Adds the operations on files. */
export function addFiles(api: Api, options: FilesOptions): void {
  const { files } = options;
  const sender = new FileSender(options);

  api.add("put", "/files/{name}", described.PUT_FILE, async (request, path) => {
    checkQuery(request, []);
    const name = nameOfPath(path);
    const putOptions = putOptionsOf(request, name);
    const record = await files.put(name, request.body, putOptions);
    const isNew = record.createdVersion === record.version;
    const headers = { etag: tagOf(record), "repr-digest": reprDigestOf(record.sha256) };
    if (!isNew) return new Response(null, { status: 204, headers });
    const location = pathOfFile(name) ?? "";
    return new Response(null, { status: 201, headers: { ...headers, location } });
  });

  api.add("get", "/files/{name}", described.GET_FILE, (request, path) => {
    checkQuery(request, ["download"]);
    return sender.send(request, nameOfPath(path));
  });

  api.add("delete", "/files/{name}", described.DELETE_FILE, async (request, path) => {
    checkQuery(request, []);
    checkConditions(request, ["if-match"]);
    const name = nameOfPath(path);
    const condition = writeConditionOf(request.headers);
    const isDeleted = await files.delete(
      name,
      typeof condition === "object" ? condition ?? {} : {},
    );
    if (isDeleted) return new Response(null, { status: 204 });
    if (condition === null) throw noSuchFile();
    throw new Problem("precondition-failed", "The condition does not hold: there is no such file.");
  });

  api.add("get", "/files", described.LIST_FILES, async (request) => {
    checkQuery(request, ["prefix", "q", "cursor", "limit", "sort", "order"]);
    const page = await files.list(listQueryOf(request.url.searchParams));
    return Response.json({ files: page.files.map(entryOf), cursor: page.cursor });
  });

  api.add("get", "/placement/{name}", described.GET_PLACEMENT, async (request, path) => {
    checkQuery(request, []);
    const place = await files.where(nameOfPath(path));
    if (place === null) throw noSuchFile();
    return Response.json(place);
  });

  api.add("get", "/repair", described.GET_REPAIR, async (request) => {
    checkQuery(request, []);
    const [status, layout, progress] = await Promise.all([
      files.repair(),
      files.nodes(),
      files.progress(),
    ]);
    return Response.json({ status, layout, progress });
  });
}

function noSuchFile(): Problem {
  return new Problem("not-found", "There is no such file.");
}

/** A file as lists have it. */
function entryOf(record: FileRecord): object {
  const { name, version, size, sha256, type, copies, createdMs, modifiedMs, owner, tags, holders } =
    record;
  return {
    name,
    href: pathOfFile(name),
    version,
    size,
    sha256,
    type,
    copies,
    createdMs,
    modifiedMs,
    owner,
    tags,
    holders,
  };
}

function putOptionsOf(request: ApiRequest, name: string): PutOptions {
  const { headers } = request;
  checkConditions(request, ["if-match", "if-none-match"]);
  if (headers.has("content-range")) {
    throw new Problem("bad-request", "A part of a file cannot be replaced: send all, or use tus.");
  }
  const encoding = headers.get("content-encoding");
  if (encoding !== null && encoding.trim().toLowerCase() !== "identity") {
    throw new Problem("unsupported-media-type", "Send the content without Content-Encoding.");
  }
  const condition = writeConditionOf(headers);
  const copies = copiesOf(headers);
  return {
    size: headers.has("transfer-encoding") ? null : Number(headers.get("content-length") ?? 0),
    type: typeToKeep(headers.get("content-type"), name),
    digests: digestsOf(headers),
    ...(copies === null ? {} : { copies }),
    ...(condition === null ? {} : { condition }),
  };
}

/** `Regent-Copies`; `null` without one. @throws {Problem} */
export function copiesOf(headers: Headers): number | null {
  const text = headers.get("regent-copies");
  if (text === null) return null;
  const copies = wholeNumberOf(text);
  if (copies === null || copies < 1 || copies > FILE_COPIES_MAX) {
    throw new Problem(
      "bad-request",
      `Regent-Copies must be a whole number from 1 to ${FILE_COPIES_MAX}.`,
    );
  }
  return copies;
}

const SORTS = ["name", "size", "date"] as const;

function listQueryOf(query: URLSearchParams): ListQuery {
  const limit = wholeNumberOf(query.get("limit") ?? String(PAGE_DEFAULT));
  if (limit === null || limit < 1 || limit > PAGE_MAX) {
    throw new Problem("bad-request", `limit must be a whole number from 1 to ${PAGE_MAX}.`);
  }
  const by = SORTS.find((sort) => sort === (query.get("sort") ?? "name"));
  if (by === undefined) throw new Problem("bad-request", "sort must be name, size or date.");
  const order = query.get("order") ?? "asc";
  if (order !== "asc" && order !== "desc") {
    throw new Problem("bad-request", "order must be asc or desc.");
  }
  const prefix = query.get("prefix") ?? "";
  const contains = query.get("q") ?? "";
  const cursor = query.get("cursor") ?? "";
  return {
    count: limit,
    by,
    reverse: order === "desc",
    ...(prefix === "" ? {} : { prefix: prefix.normalize("NFC") }),
    ...(contains === "" ? {} : { contains: contains.normalize("NFC") }),
    ...(cursor === "" ? {} : { cursor }),
  };
}

/** Answers `GET` and `HEAD` of files. */
class FileSender {
  readonly #files: FilesService;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor({ files, clock, logger }: FilesOptions) {
    this.#files = files;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** @throws {Problem | FileError} */
  async send(request: ApiRequest, name: string): Promise<Response> {
    const record = await this.#recordOf(name);
    try {
      return await this.#sendRecord(request, record);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      if (error.code === "not-found") {
        // The content may have been replaced since: the next look finds the newer one.
        const newer = await this.#recordOf(name);
        if (newer.version !== record.version) return await this.#sendRecord(request, newer);
      } else if (error.code !== "checksum-mismatch") {
        throw error;
      }
      throw new Problem("unavailable", "No intact copy of the content can be read now.");
    }
  }

  async #recordOf(name: string): Promise<FileRecord> {
    const record = await this.#files.stat(name);
    if (record === null) throw noSuchFile();
    return record;
  }

  async #sendRecord(request: ApiRequest, record: FileRecord): Promise<Response> {
    const { method, url, headers } = request;
    const validators = {
      etag: tagOf(record),
      "last-modified": new Date(record.modifiedMs).toUTCString(),
      // The content may be kept, but not shown again before this cluster was asked.
      "cache-control": "private, no-cache",
    };
    const verdict = verdictOf(headers, record);
    if (verdict === "failed") {
      throw new Problem("precondition-failed", "The condition does not hold: it has changed.");
    }
    if (verdict === "not-modified") return new Response(null, { status: 304, headers: validators });
    const common = {
      ...validators,
      ...safeHeaders(record, url.searchParams.has("download")),
      "accept-ranges": "bytes",
      "repr-digest": reprDigestOf(record.sha256),
    };
    const range = method === "GET" ? headers.get("range") : null;
    if (range === null || !keepsRange(headers.get("if-range"), record, this.#clock.nowMs())) {
      return await this.#all(request, record, common);
    }
    const wanted = rangesOf(range, record.size);
    if (wanted.kind === "all") return await this.#all(request, record, common);
    if (wanted.kind === "unsatisfiable") {
      const contentRange = { "content-range": `bytes */${record.size}` };
      throw new Problem("range-not-satisfiable", wanted.detail, contentRange);
    }
    return await this.#parts(request, record, wanted.ranges, common);
  }

  async #all(
    request: ApiRequest,
    record: FileRecord,
    common: Readonly<Record<string, string>>,
  ): Promise<Response> {
    const { size } = record;
    const headers = { ...common, "content-length": `${size}` };
    if (size === 0 || request.method === "HEAD") return new Response(null, { headers });
    const body = await this.#body(request, record, size, (read) => read({ from: 0, to: size }));
    return new Response(body, { headers });
  }

  async #parts(
    request: ApiRequest,
    record: FileRecord,
    ranges: readonly ByteRange[],
    common: Readonly<Record<string, string>>,
  ): Promise<Response> {
    const [first] = ranges;
    if (first !== undefined && ranges.length === 1) {
      const length = first.to - first.from;
      const headers = {
        ...common,
        "content-range": contentRange(first, record.size),
        "content-length": `${length}`,
      };
      const body = await this.#body(request, record, length, (read) => read(first));
      return new Response(body, { status: 206, headers });
    }
    const type = common["content-type"] ?? "";
    const parts = new RangeParts(ranges, type, record.size, crypto.randomUUID());
    const headers = {
      ...common,
      "content-type": parts.type,
      "content-length": `${parts.length}`,
    };
    const body = await this.#body(request, record, parts.length, (read) => parts.chunks(read));
    return new Response(body, { status: 206, headers });
  }

  #body(
    { abort }: ApiRequest,
    record: FileRecord,
    length: number,
    chunks: (read: (range: ByteRange) => AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
  ): Promise<ReadableStream<Uint8Array>> {
    return byteStream({
      chunks: (signal) => chunks(({ from, to }) => this.#files.read(record, from, to, signal)),
      length,
      abort,
      failed: (error) =>
        this.#logger.warn(`HTTP getFile: the content broke off: ${messageOf(error)}`),
    });
  }
}
