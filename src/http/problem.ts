import type { FileError, FileErrorCode } from "../files/file_error.ts";
import type { ErrorReply } from "../resp/reply.ts";

/** What goes wrong, as a word that programs can rely on. */
export type ProblemCode =
  | "bad-request"
  | "bad-json"
  | "busy"
  | "checksum-mismatch"
  | "conflict"
  | "foreign-host"
  | "foreign-origin"
  | "header-too-large"
  | "insufficient-storage"
  | "internal-error"
  | "method-not-allowed"
  | "not-found"
  | "not-ready"
  | "out-of-memory"
  | "outcome-unknown"
  | "precondition-failed"
  | "range-not-satisfiable"
  | "too-large"
  | "too-slow"
  | "unavailable"
  | "unsupported-media-type"
  | "upload-checksum-mismatch"
  | "wrong-type";

const STATUS: Readonly<Record<ProblemCode, number>> = {
  "bad-request": 400,
  "bad-json": 400,
  "busy": 503,
  "checksum-mismatch": 400,
  "conflict": 409,
  "foreign-host": 403,
  "foreign-origin": 403,
  "header-too-large": 431,
  "insufficient-storage": 507,
  "internal-error": 500,
  "method-not-allowed": 405,
  "not-found": 404,
  "not-ready": 503,
  "out-of-memory": 507,
  "outcome-unknown": 504,
  "precondition-failed": 412,
  "range-not-satisfiable": 416,
  "too-large": 413,
  "too-slow": 408,
  "unavailable": 503,
  "unsupported-media-type": 415,
  "upload-checksum-mismatch": 460, // as tus 1.0 wants it
  "wrong-type": 409,
};

/** Seconds after which a client may try again, when the cluster or this process is busy. */
const RETRY_AFTER_S = 1;

/** An error for the client of an HTTP request, which gets it as RFC 9457 says. */
export class Problem extends Error {
  override name = "Problem";
  readonly code: ProblemCode;
  readonly headers: Readonly<Record<string, string>>;

  /** @param detail one sentence that says what is wrong, and what to do if that is not plain */
  constructor(
    code: ProblemCode,
    detail: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
    this.code = code;
    this.headers = headers;
  }

  get status(): number {
    return STATUS[this.code];
  }

  /** The members that RFC 9457 names, and the code. */
  toJSON(): object {
    const { code, status, message } = this;
    return { type: "about:blank", title: titleOf(code), status, code, detail: message };
  }

  response(): Response {
    const { status, headers } = this;
    return new Response(`${JSON.stringify(this)}\n`, {
      status,
      headers: {
        "content-type": "application/problem+json",
        ...(status === 503 ? { "retry-after": String(RETRY_AFTER_S) } : {}),
        ...headers,
      },
    });
  }
}

function titleOf(code: ProblemCode): string {
  const words = code.replaceAll("-", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * By the first word of an error reply. All but `UNKNOWN` promise that nothing was executed. Others
 * mean that there is no leader, or that a limit of a node or a proxy is reached, since the request
 * itself was checked before it was sent.
 */
const OF_REPLY: ReadonlyMap<string, ProblemCode> = new Map([
  ["UNKNOWN", "outcome-unknown"],
  ["OOM", "out-of-memory"],
  ["WRONGTYPE", "wrong-type"],
]);

/** The problem that an error reply of the cluster tells of. */
export function problemOf({ text }: ErrorReply): Problem {
  const [, word = "", sentence = ""] = /^(\S+) ?(.*)$/s.exec(text) ?? [];
  return new Problem(OF_REPLY.get(word) ?? "unavailable", sentence === "" ? text : sentence);
}

const OF_FILE_ERROR: Readonly<Record<FileErrorCode, ProblemCode>> = {
  "not-found": "not-found",
  "precondition-failed": "precondition-failed",
  "conflict": "conflict",
  "insufficient-storage": "insufficient-storage",
  "unavailable": "unavailable",
  "checksum-mismatch": "checksum-mismatch",
  "bad-request": "bad-request",
  "aborted": "bad-request",
  "outcome-unknown": "outcome-unknown",
  "busy": "busy",
  "too-large": "too-large",
};

/** The problem that an error of an operation on files tells of. */
export function problemOfFile({ code, message }: FileError): Problem {
  return new Problem(OF_FILE_ERROR[code], message);
}
