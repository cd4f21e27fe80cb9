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
