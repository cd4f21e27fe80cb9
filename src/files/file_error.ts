/** What went wrong, for programs. REST maps each to a status of HTTP. */
export type FileErrorCode =
  | "not-found"
  | "precondition-failed"
  | "insufficient-storage"
  | "unavailable"
  | "checksum-mismatch"
  | "bad-request"
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
