/** What goes wrong with a file, as a word that programs can rely on. */
export type FileErrorCode =
  | "not-found"
  | "precondition-failed"
  /** Another request was faster: the state is not the one that this request began with. */
  | "conflict"
  | "insufficient-storage"
  | "unavailable"
  | "checksum-mismatch"
  | "bad-request"
  /** Whoever sent the content stopped before its end. */
  | "aborted"
  | "busy"
  | "too-large";

/** An error of an operation on files. Its message is one sentence for people. */
export class FileError extends Error {
  override name = "FileError";
  readonly code: FileErrorCode;

  constructor(code: FileErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
