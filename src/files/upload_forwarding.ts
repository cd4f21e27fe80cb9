import { joinBytes } from "../base/bytes.ts";
import type { BodySource } from "../platform/http_listener.ts";
import { FileError, type FileErrorCode } from "./file_error.ts";
import type { NewUpload, PartChecksum } from "./partial_uploads.ts";
import type { UploadForwarder, UploadsService, UploadState } from "./resumable_uploads.ts";

/** One request between nodes about an upload. It has a body only if it appends. */
export interface UploadRequest {
  /** `/uploads/create`, `/uploads/state`, `/uploads/append` or `/uploads/remove`. All are `POST`s. */
  readonly path: string;
  /** What is asked for: JSON. */
  readonly call: string;
}

/** Maximum number of bytes of a call. Metadata that HTTP takes is always shorter. */
const CALL_BYTES_MAX = 64 * 1024;
/** Number of bytes of a call's length. */
const LENGTH_BYTES = 4;

/**
 * A call as the first part of a body, before the bytes of an append: its length in four bytes, the
 * highest first, and its JSON.
 *
 * @throws {FileError} `bad-request` when it is too long
 */
export function encodeCall(call: string): Uint8Array {
  const json = new TextEncoder().encode(call);
  if (json.length > CALL_BYTES_MAX) throw malformed();
  const bytes = new Uint8Array(LENGTH_BYTES + json.length);
  new DataView(bytes.buffer).setUint32(0, json.length);
  bytes.set(json, LENGTH_BYTES);
  return bytes;
}

/**
 * Splits a body into the call and what follows it.
 *
 * @throws {FileError} `bad-request` when no call comes first
 */
export async function decodeCall(
  body: AsyncIterator<Uint8Array>,
): Promise<{ call: string; rest: AsyncGenerator<Uint8Array> }> {
  let bytes = new Uint8Array(0);
  for (let end = LENGTH_BYTES; bytes.length < end;) {
    const { done, value } = await body.next();
    if (done) throw malformed();
    bytes = joinBytes([bytes, value]);
    if (bytes.length < LENGTH_BYTES) continue;
    end = LENGTH_BYTES + lengthIn(bytes);
    if (end > LENGTH_BYTES + CALL_BYTES_MAX) throw malformed();
  }
  const end = LENGTH_BYTES + lengthIn(bytes);
  const call = new TextDecoder().decode(bytes.subarray(LENGTH_BYTES, end));
  return { call, rest: restOf(bytes.subarray(end), body) };
}

function lengthIn(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}

async function* restOf(
  first: Uint8Array,
  body: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first;
  for (;;) {
    const { done, value } = await body.next();
    if (done) return;
    yield value;
  }
}

/** An answer to it: JSON. Its status is 200, or one of an error. */
export interface UploadAnswer {
  readonly status: number;
  readonly text: string;
}

/**
 * Sends a request to the files port of a node, with the header `Regent-Cluster` as for blobs: the
 * call, and then the body. When that breaks off, the connection must break off as well.
 *
 * @throws {FileError} `not-found` when there is no such node, `unavailable` when it does not answer
 */
export type SendUploadRequest = (
  node: string,
  request: UploadRequest,
  body: BodySource | null,
) => Promise<UploadAnswer>;

/** Arguments of all operations; each has its own. */
interface Call {
  readonly id?: string;
  readonly offset?: number;
  readonly checksum?: { readonly algorithm: PartChecksum["algorithm"]; readonly bytes: number[] };
  readonly upload?: NewUpload;
  readonly isResuming?: boolean;
}

/** Uploads of the other nodes, by requests to them. */
export class NodeUploads implements UploadForwarder {
  readonly #send: SendUploadRequest;
  readonly anyNode: () => Promise<string>;

  /** @param anyNode a node that is up */
  constructor(send: SendUploadRequest, anyNode: () => Promise<string>) {
    this.#send = send;
    this.anyNode = anyNode;
  }

  uploadsOf(node: string): UploadsService {
    const call = async <T>(name: string, args: Call, body: BodySource | null = null) => {
      const request = { path: `/uploads/${name}`, call: JSON.stringify(args) };
      const answer = await this.#send(node, request, body);
      return resultIn<T>(answer);
    };
    return {
      create: (upload) => call<UploadState>("create", { upload }),
      state: (id, isResuming) => call<UploadState>("state", { id, isResuming }),
      append(id, offset, body, checksum) {
        const bytes = checksum === null ? null : [...checksum.bytes];
        const sent = checksum === null || bytes === null
          ? {}
          : { checksum: { algorithm: checksum.algorithm, bytes } };
        return call<UploadState>("append", { id, offset, ...sent }, body);
      },
      remove: (id) => call<boolean>("remove", { id }),
    };
  }
}

/** What an answer says. @throws {FileError} the one that it tells of */
function resultIn<T>({ status, text }: UploadAnswer): T {
  let answer: { result?: T; code?: FileErrorCode; message?: string } = {};
  try {
    answer = JSON.parse(text);
  } catch {
    // told below
  }
  if (status === 200 && answer.result !== undefined) return answer.result;
  const { code = "unavailable", message = `Another node answered with status ${status}.` } = answer;
  throw new FileError(code, message);
}

/**
 * Answers a request of another node.
 *
 * @param uploads those of this node
 * @param body what follows the call, if it appends
 */
export async function answerUploadRequest(
  uploads: UploadsService,
  { path, call }: UploadRequest,
  body: BodySource,
): Promise<UploadAnswer> {
  try {
    const result = await resultOf(uploads, path, callIn(call), body);
    return { status: 200, text: JSON.stringify({ result }) };
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    const { code, message } = error;
    return { status: 409, text: JSON.stringify({ code, message }) };
  }
}

function callIn(text: string): Call {
  try {
    const call = JSON.parse(text);
    if (typeof call === "object" && call !== null) return call;
  } catch {
    // told below
  }
  throw malformed();
}

function malformed(): FileError {
  return new FileError("bad-request", "The request between nodes is malformed.");
}

async function resultOf(
  uploads: UploadsService,
  path: string,
  { id, offset, checksum, upload, isResuming = false }: Call,
  body: BodySource,
): Promise<UploadState | boolean> {
  if (path === "/uploads/create" && upload !== undefined) return await uploads.create(upload);
  if (id !== undefined) {
    if (path === "/uploads/state") return await uploads.state(id, isResuming);
    if (path === "/uploads/remove") return await uploads.remove(id);
    if (path === "/uploads/append" && offset !== undefined) {
      const bytes = Uint8Array.from(checksum?.bytes ?? []);
      const given = checksum === undefined ? null : { algorithm: checksum.algorithm, bytes };
      return await uploads.append(id, offset, body, given);
    }
  }
  throw new FileError("bad-request", `There is no ${path} between nodes.`);
}
