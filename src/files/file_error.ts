/** What went wrong, for programs. REST maps each to a status of HTTP. */
export type FileErrorCode =
  | "not-found"
  | "precondition-failed"
  /** Another request was faster: the state is not the one that this request began with. */
  | "conflict"
  | "insufficient-storage"
  | "unavailable"
  /** Whether it took effect is not known. */
  | "outcome-unknown"
  | "checksum-mismatch"
  | "bad-request"
  /** Whoever sent the content stopped before its end. */
  | "aborted"
  | "busy"
  | "too-large";

/** An operation on files that failed. The message is one sentence, for people. */
export class FileError extends Error {
  override name = "FileError";
  readonly code: FileErrorCode;

  constructor(code: FileErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A blob whose bytes on this disk are not what was written, or cannot be read any more. */
export class BlobCorrupt extends FileError {
  override name = "BlobCorrupt";
  readonly id: string;

  /** @param reason ends the sentence "Blob X is corrupt: …" */
  constructor(id: string, reason: string, options?: ErrorOptions) {
    super("checksum-mismatch", `Blob ${id} is corrupt: ${reason}`, options);
    this.id = id;
  }
}
