import { formatAddress } from "../../base/address.ts";
import { UserError } from "../../base/errors.ts";
import { systemClock } from "../../platform/clock.ts";
import { HttpClient } from "../../platform/http_client.ts";
import type { Address } from "../../platform/network.ts";
import { connectHttp } from "../connect.ts";
import { sha256In } from "./digest.ts";
import { pathOfName } from "./file_names.ts";
import {
  bytesOf,
  exchange,
  HttpBroken,
  type HttpReply,
  type HttpRequest,
} from "./http_exchange.ts";

const JSON_BYTES_MAX = 64 * 1024 * 1024;
/** Time in milliseconds in which the server must send or take something. A commit takes a while. */
const STALLED_MS_MAX = 120_000;
const PROBLEM_BYTES_MAX = 64 * 1024;
/** Maximum number of files in a page. */
const PAGE_FILES_MAX = 1_000;
/** Uploads from this size on ask before they are sent. */
const EXPECT_BYTES_MIN = 1024 * 1024;

/** An answer that is an error: the sentence of the server, which RFC 9457 calls `detail`. */
export class FileRefused extends UserError {
  override name = "FileRefused";

  constructor(
    readonly status: number,
    /** Such as `not-found`; empty when the server is no Regent. */
    readonly code: string,
    detail: string,
    /** Time in milliseconds after which the server wants to be asked again; `null`: it has none. */
    readonly retryAfterMs: number | null,
  ) {
    super(detail);
  }
}

/** A file as the list shows it. */
export interface ListedFile {
  readonly name: string;
  readonly size: number;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
  readonly version: number;
  readonly copies: number;
  readonly type: string;
  readonly modifiedMs: number;
}

/** Where a file lies. */
export interface FilePlace {
  readonly id: string;
  readonly responsible: string;
  readonly wanted: readonly string[];
  readonly holders: readonly string[];
  readonly health: string;
}

/** The content of a file, or a part of it. */
export interface FileContent {
  readonly etag: string;
  /** Of the whole file; `null` when the server does not tell. */
  readonly sha256: string | null;
  /** Of the whole file. */
  readonly sizeBytes: number;
  /** The first byte that follows. */
  readonly from: number;
  readonly body: AsyncIterable<Uint8Array>;
}

export interface PutRequest {
  readonly name: string;
  readonly body: AsyncIterable<Uint8Array>;
  /** `null` when it is not known. */
  readonly sizeBytes: number | null;
  /** @default the server's choice */
  readonly type?: string | undefined;
  /** @default the server's choice */
  readonly copies?: number | undefined;
  /** @default none */
  readonly condition?: { readonly ifVersion: number } | "absent" | null;
}

export interface ListRequest {
  readonly prefix: string;
  readonly by: "name" | "size" | "date";
  readonly isReversed: boolean;
}

/** A client of the files of a cluster, through the HTTP port of any node or proxy. */
export class FilesClient {
  readonly #address: Address;
  readonly #http = new HttpClient({
    clock: systemClock,
    connect: connectHttp,
    stalledMs: STALLED_MS_MAX,
  });

  constructor(address: Address) {
    this.#address = address;
  }

  /** Ends all connections. The client is of no use any more. */
  close(): void {
    this.#http.close();
  }

  /**
   * Stores a file.
   *
   * @returns its new version, and the SHA-256 of what the server has stored
   * @throws {FileRefused} when the server refuses it
   * @throws {HttpBroken} when the connection ends before the answer
   */
  async put(request: PutRequest): Promise<{ readonly version: number; readonly sha256: string }> {
    const { name, body, sizeBytes, type, copies, condition = null } = request;
    const answer = await this.#send({
      method: "PUT",
      target: fileTarget(name),
      body,
      bodyBytes: sizeBytes,
      expectContinue: sizeBytes === null || sizeBytes >= EXPECT_BYTES_MIN,
      headers: {
        ...(type === undefined ? {} : { "Content-Type": type }),
        ...(copies === undefined ? {} : { "Regent-Copies": String(copies) }),
        ...conditionHeaders(condition),
      },
    });
    await refuseErrors(answer);
    await bytesOf(answer, JSON_BYTES_MAX);
    const sha256 = sha256In(answer.headers.get("repr-digest"));
    if (sha256 === null) throw new HttpBroken("the answer does not tell what was stored");
    return { version: versionIn(answer), sha256 };
  }

  /**
   * Begins to read a file.
   *
   * @param from the first byte to read, and the version of which it must be
   * @throws {FileRefused} when there is no such file, or another version of it (status 412)
   */
  async get(
    name: string,
    from: { readonly byte: number; readonly etag: string } | null = null,
  ): Promise<FileContent> {
    const isPart = from !== null && from.byte > 0;
    const answer = await this.#send({
      method: "GET",
      target: fileTarget(name),
      headers: {
        ...(isPart ? { Range: `bytes=${from.byte}-` } : {}),
        ...(from === null ? {} : { "If-Match": from.etag }),
      },
    });
    await refuseErrors(answer);
    return contentOf(answer, isPart ? from.byte : 0);
  }

  /** @throws {FileRefused} when there is no such file */
  async head(name: string): Promise<Omit<FileContent, "body" | "from">> {
    const answer = await this.#send({ method: "HEAD", target: fileTarget(name) });
    await bytesOf(answer, 0);
    await refuseErrors(answer);
    const { etag, sha256, sizeBytes } = contentOf(answer, 0);
    return { etag, sha256, sizeBytes };
  }

  /** All files with this prefix, one page after the other. */
  async *list({ prefix, by, isReversed }: ListRequest): AsyncGenerator<ListedFile> {
    let cursor: string | null = null;
    do {
      const query = new URLSearchParams({ limit: String(PAGE_FILES_MAX) });
      if (prefix !== "") query.set("prefix", prefix);
      if (by !== "name") query.set("sort", by);
      if (isReversed) query.set("order", "desc");
      if (cursor !== null) query.set("cursor", cursor);
      const page = await this.#json({ method: "GET", target: `/files?${query}` });
      const { files, cursor: next } = page as { files?: unknown; cursor?: unknown };
      if (!Array.isArray(files)) throw new HttpBroken("the answer has no files");
      yield* files.map(listedFile);
      cursor = typeof next === "string" ? next : null;
    } while (cursor !== null);
  }

  /**
   * Deletes a file.
   *
   * @param ifVersion the version that it must have; `null`: any
   * @throws {FileRefused} when there is no such file
   */
  async delete(name: string, ifVersion: number | null): Promise<void> {
    const answer = await this.#send({
      method: "DELETE",
      target: fileTarget(name),
      headers: conditionHeaders(ifVersion === null ? null : { ifVersion }),
    });
    await refuseErrors(answer);
    await bytesOf(answer, JSON_BYTES_MAX);
  }

  /** @throws {FileRefused} when there is no such file */
  async where(name: string): Promise<FilePlace> {
    const place = await this.#json({ method: "GET", target: `/placement/${pathOfName(name)}` });
    const { id, responsible, wanted, holders, health } = place as Record<string, unknown>;
    const names = (list: unknown) => Array.isArray(list) ? list.map(String) : [];
    return {
      id: String(id),
      responsible: String(responsible),
      wanted: names(wanted),
      holders: names(holders),
      health: String(health),
    };
  }

  #send(request: HttpRequest): Promise<HttpReply> {
    return exchange(this.#http, this.#address, request);
  }

  async #json(request: HttpRequest): Promise<unknown> {
    const answer = await this.#send(request);
    await refuseErrors(answer);
    const text = new TextDecoder().decode(await bytesOf(answer, JSON_BYTES_MAX));
    try {
      return JSON.parse(text);
    } catch {
      throw new HttpBroken("the answer is no JSON");
    }
  }
}

/** Runs with a client, and turns a lost connection into a sentence for the user. */
export async function withFiles<T>(
  address: Address,
  use: (files: FilesClient) => Promise<T>,
): Promise<T> {
  const files = new FilesClient(address);
  try {
    return await use(files);
  } catch (error) {
    if (!(error instanceof HttpBroken)) throw error;
    throw new UserError(`Cannot reach the files at ${formatAddress(address)}: ${error.message}`, {
      cause: error,
    });
  } finally {
    files.close();
  }
}

function fileTarget(name: string): string {
  return `/files/${pathOfName(name)}`;
}

function conditionHeaders(condition: PutRequest["condition"]): Record<string, string> {
  if (condition === null || condition === undefined) return {};
  if (condition === "absent") return { "If-None-Match": "*" };
  return { "If-Match": `"${condition.ifVersion}"` };
}

/** @throws {FileRefused} when the answer is an error */
async function refuseErrors(answer: HttpReply): Promise<void> {
  const { status, headers } = answer;
  if (status >= 200 && status < 300) return;
  const text = await bytesOf(answer, PROBLEM_BYTES_MAX).then(
    (bytes) => new TextDecoder().decode(bytes),
    () => "", // the status says enough
  );
  const seconds = Number(headers.get("retry-after"));
  const retryAfterMs = headers.has("retry-after") && Number.isFinite(seconds)
    ? 1000 * seconds
    : null;
  const { code, detail } = problemIn(text);
  throw new FileRefused(status, code, detail ?? sentenceOf(status), retryAfterMs);
}

function problemIn(text: string): { readonly code: string; readonly detail: string | null } {
  try {
    const { code, detail } = JSON.parse(text);
    return {
      code: typeof code === "string" ? code : "",
      detail: typeof detail === "string" && detail !== "" ? clauseOf(detail) : null,
    };
  } catch {
    return { code: "", detail: null };
  }
}

/** A sentence as it stands after a colon. */
function clauseOf(sentence: string): string {
  return sentence.replace(/\.$/, "").replace(/^[A-Z](?=[a-z ])/, (letter) => letter.toLowerCase());
}

function sentenceOf(status: number): string {
  if (status === 404) return "there is no such file";
  if (status === 412) return "the condition does not hold";
  return `the server answered with the status ${status}`;
}

function contentOf({ status, headers, body }: HttpReply, from: number): FileContent {
  const etag = headers.get("etag") ?? "";
  const sha256 = sha256In(headers.get("repr-digest"));
  const length = Number(headers.get("content-length") ?? NaN);
  if (status !== 206) {
    if (from > 0) throw new HttpBroken("the server does not send parts of files");
    if (!Number.isSafeInteger(length)) throw new HttpBroken("the answer does not tell the size");
    return { etag, sha256, sizeBytes: length, from: 0, body };
  }
  const range = /^bytes ([0-9]+)-[0-9]+\/([0-9]+)$/.exec(headers.get("content-range") ?? "");
  if (Number(range?.[1]) !== from) throw new HttpBroken("the server sent another part of the file");
  return { etag, sha256, sizeBytes: Number(range?.[2]), from, body };
}

function versionIn({ headers }: HttpReply): number {
  const [, version] = /^"([0-9]{1,16})"$/.exec(headers.get("etag") ?? "") ?? [];
  if (version === undefined) throw new HttpBroken("the answer does not tell the version");
  return Number(version);
}

function listedFile(value: unknown): ListedFile {
  const { name, size, sha256, version, copies, type, modifiedMs } = value as Record<
    string,
    unknown
  >;
  return {
    name: String(name),
    size: Number(size),
    sha256: String(sha256),
    version: Number(version),
    copies: Number(copies),
    type: String(type),
    modifiedMs: Number(modifiedMs),
  };
}
