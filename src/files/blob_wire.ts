import { joinBytes } from "../base/bytes.ts";
import { messageOf } from "../base/errors.ts";
import { FileError, type FileErrorCode } from "./file_error.ts";

/** The field of each request with the id of the cluster. Another one is refused. */
export const CLUSTER_FIELD = "regent-cluster";

/** The field with the id of the node that asks. Proxies send none. */
export const NODE_FIELD = "regent-node";

/** An answer with an error: `{"code": …, "message": …}` as JSON. */
export interface ErrorAnswer {
  readonly code: FileErrorCode;
  readonly message: string;
}

const STATUSES: Readonly<Record<FileErrorCode, number>> = {
  "not-found": 404,
  "precondition-failed": 412,
  "insufficient-storage": 507,
  "outcome-unknown": 504,
  "unavailable": 503,
  "checksum-mismatch": 500,
  "bad-request": 400,
  "aborted": 499,
  "busy": 409,
  "conflict": 409,
  "too-large": 413,
};

/** Maximum number of bytes of an answer that is not content. */
export const ANSWER_BYTES_MAX = 64 * 1024;

/** Bytes of the SHA-256 that follows a content which is sent to a holder. */
export const SEAL_BYTES = 32;

/** Takes the seal from the end of a content that comes in parts of any size. */
export class Unsealing {
  #seal = new Uint8Array(0);

  /** What is content for sure; the parts are valid as long as `chunk` is. */
  add(chunk: Uint8Array): Uint8Array[] {
    const seal = this.#seal;
    const contentBytes = Math.max(0, seal.length + chunk.length - SEAL_BYTES);
    const ofSeal = Math.min(seal.length, contentBytes);
    const ofChunk = contentBytes - ofSeal;
    this.#seal = joinBytes([seal.subarray(ofSeal), chunk.subarray(ofChunk)]);
    return [seal.subarray(0, ofSeal), chunk.subarray(0, ofChunk)].filter(({ length }) =>
      length > 0
    );
  }

  /** The SHA-256 that came last, 64 lower-case hexadecimal digits. @throws {FileError} */
  get sha256(): string {
    if (this.#seal.length === SEAL_BYTES) return this.#seal.toHex();
    throw new FileError("bad-request", "The content has no seal");
  }
}

export function statusOf(code: FileErrorCode): number {
  return STATUSES[code];
}

/** The error that an answer tells. One that makes no sense means that the holder is of no use. */
export function errorOfAnswer(status: number, text: string): FileError {
  try {
    const { code, message } = JSON.parse(text);
    if (Object.hasOwn(STATUSES, code) && typeof message === "string") {
      return new FileError(code, message);
    }
  } catch {
    // told below
  }
  return new FileError("unavailable", `The other node answered with status ${status}`);
}

/** An error of a connection or a peer as one that says that this holder is of no use now. */
export function peerError(address: string, error: unknown): FileError {
  if (error instanceof FileError) return error;
  return new FileError("unavailable", `Node at ${address}: ${messageOf(error)}`, { cause: error });
}
