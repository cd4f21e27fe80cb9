/** What goes wrong with files, as a word that programs can rely on. */
export type FileErrorCode =
  | "aborted"
  | "bad-request"
  | "busy"
  | "checksum-mismatch"
  /** Another request was faster: the state is not the one that this request began with. */
  | "conflict"
  | "insufficient-storage"
  | "not-found"
  /** Whether it took effect is not known. */
  | "outcome-unknown"
  | "precondition-failed"
  | "too-large"
  | "unavailable";

/** A file operation that failed for a reason that its user can know. */
export class FileError extends Error {
  override name = "FileError";
  readonly code: FileErrorCode;

  /** @param message one sentence that says what is wrong */
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
