import { createHash } from "node:crypto";
import { ChecksumTable } from "./blob_format.ts";
import type { BlobSummary } from "./blobs.ts";
import { FileError } from "./file_error.ts";
import type { PutOptions } from "./put_options.ts";

/** A whole body, as its holders should confirm it. */
export interface Content extends BlobSummary {
  /** 64 lower-case hexadecimal digits. */
  readonly sha256: string;
}

/** Size, digests and checksums of a body, as it arrives. */
export class BodySums {
  readonly #announcedBytes: number | null;
  readonly #given: NonNullable<PutOptions["digests"]>;
  readonly #sha256 = createHash("sha256");
  readonly #md5;
  readonly #table = new ChecksumTable();
  #size = 0;

  constructor({ size, digests = {} }: Pick<PutOptions, "size" | "digests">) {
    this.#announcedBytes = size;
    this.#given = digests;
    this.#md5 = "md5" in digests ? createHash("md5") : null;
  }

  /** @throws {FileError} `bad-request` when it becomes too long */
  add(bytes: Uint8Array): void {
    this.#size += bytes.length;
    const announced = this.#announcedBytes;
    if (announced !== null && this.#size > announced) {
      throw new FileError(
        "bad-request",
        `The body is longer than the ${announced} bytes announced.`,
      );
    }
    this.#sha256.update(bytes);
    this.#md5?.update(bytes);
    this.#table.add(bytes);
  }

  /** @throws {FileError} when it is too short, or has another digest than the client gave */
  finish(): Content {
    const announced = this.#announcedBytes;
    if (announced !== null && this.#size < announced) {
      throw new FileError("aborted", `The body ended after ${this.#size} of ${announced} bytes.`);
    }
    const sha256 = this.#sha256.digest("hex");
    check("SHA-256", sha256, this.#given.sha256);
    check("MD5", this.#md5?.digest("hex") ?? "", this.#given.md5);
    return { size: this.#size, sha256, checksum: this.#table.digest() };
  }
}

function check(name: string, actual: string, given: string | undefined): void {
  if (given === undefined || given.toLowerCase() === actual) return;
  throw new FileError("checksum-mismatch", `The ${name} of what arrived is ${actual}.`);
}
