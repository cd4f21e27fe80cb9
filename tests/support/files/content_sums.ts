import { createHash } from "node:crypto";
import { ChecksumTable } from "../../../src/files/blob_format.ts";
import type { BlobSummary } from "../../../src/files/blobs.ts";

/** The SHA-256 of a content. */
export function sha256Of(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

/** What a holder computes of a content. */
export function summaryOf(content: Uint8Array): BlobSummary {
  const table = new ChecksumTable();
  table.add(content);
  return { size: content.length, checksum: table.digest() };
}
