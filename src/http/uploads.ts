import { FileError } from "../files/file_error.ts";
import type { UploadsService, UploadState } from "../files/resumable_uploads.ts";
import type { Api, ApiRequest, Method, Operation } from "./api.ts";
import { writeConditionOf } from "./conditions.ts";
import { checkedName, pathOfFile } from "./file_name.ts";
import { copiesOf } from "./files.ts";
import { typeToKeep } from "./media_type.ts";
import { Problem, problemOfFile } from "./problem.ts";
import { checkConditions, checkQuery } from "./request_checks.ts";
import * as described from "./upload_descriptions.ts";
import { CHECKSUM_ALGORITHMS, checksumOf, metadataOf } from "./upload_metadata.ts";
import { wholeNumberOf } from "./whole_number.ts";

const VERSION = "1.0.0";
const EXTENSIONS = "creation,creation-with-upload,termination,checksum,expiration";
/** Type of the body of a part. */
const PART_TYPE = "application/offset+octet-stream";
/** Maximum size of a file in bytes. */
const SIZE_MAX = Number.MAX_SAFE_INTEGER;

/** Adds resumable uploads by tus 1.0 (https://tus.io/protocols/resumable-upload). */
export function addUploads(api: Api, uploads: UploadsService): void {
  api.add("options", "/uploads", described.UPLOAD_OPTIONS, () => {
    const headers = {
      "tus-resumable": VERSION,
      "tus-version": VERSION,
      "tus-extension": EXTENSIONS,
      "tus-checksum-algorithm": CHECKSUM_ALGORITHMS,
      "tus-max-size": `${SIZE_MAX}`,
    };
    return new Response(null, { status: 204, headers });
  });

  const add = (
    method: Method,
    path: string,
    operation: Operation,
    handle: (request: ApiRequest, id: string) => Promise<Response>,
  ) =>
    api.add(method, path, operation, async (request, id) => {
      try {
        checkQuery(request, []);
        checkVersion(request.headers);
        const response = await handle(request, id);
        response.headers.set("tus-resumable", VERSION);
        return response;
      } catch (error) {
        throw tusProblemOf(error);
      }
    });

  add("post", "/uploads", described.CREATE_UPLOAD, async (request) => {
    const { headers, body } = request;
    const hasPart = headers.has("content-type");
    const checksum = hasPart ? checkedPartOf(headers) : null;
    const created = await uploads.create(newUploadOf(request));
    const state = hasPart && created.version === null
      ? await uploads.append(created.id, 0, body, checksum)
      : created;
    const location = `/uploads/${state.id}`;
    return new Response(null, { status: 201, headers: { location, ...headersOf(state) } });
  });

  add("get", "/uploads/{id}", described.GET_UPLOAD, async (_request, id) => {
    const state = await uploads.state(id);
    const { name, size, offset, version, expiresMs, metadata } = state;
    const headers = {
      ...headersOf(state),
      "upload-length": `${size}`,
      ...(metadata === "" ? {} : { "upload-metadata": metadata }),
    };
    return Response.json({ name, size, offset, version, expiresMs }, { headers });
  });

  add("patch", "/uploads/{id}", described.CONTINUE_UPLOAD, async ({ headers, body }, id) => {
    const checksum = checkedPartOf(headers);
    const offset = wholeNumberOf(headers.get("upload-offset") ?? "");
    if (offset === null) {
      throw new Problem("bad-request", "Upload-Offset must be the number of bytes sent before.");
    }
    const state = await uploads.append(id, offset, body, checksum);
    return new Response(null, { status: 204, headers: headersOf(state) });
  });

  add("delete", "/uploads/{id}", described.DELETE_UPLOAD, async (_request, id) => {
    if (await uploads.remove(id)) return new Response(null, { status: 204 });
    throw new Problem("not-found", "There is no such upload.");
  });
}

/** @throws {Problem} unless the client speaks this version of tus */
function checkVersion(headers: Headers): void {
  if (headers.get("tus-resumable") === VERSION) return;
  throw new Problem(
    "precondition-failed",
    `Send Tus-Resumable: ${VERSION}; other versions of ` +
      "tus are not spoken here.",
    { "tus-version": VERSION },
  );
}

/** The checksum of a part. @throws {Problem} when the body is no part */
function checkedPartOf(headers: Headers) {
  const type = headers.get("content-type")?.trim().toLowerCase();
  if (type !== PART_TYPE) {
    throw new Problem("unsupported-media-type", `Send the content as ${PART_TYPE}.`);
  }
  const checksum = headers.get("upload-checksum");
  return checksum === null ? null : checksumOf(checksum);
}

function newUploadOf(request: ApiRequest) {
  const { headers } = request;
  checkConditions(request, ["if-match", "if-none-match"]);
  if (headers.has("upload-defer-length") || headers.has("upload-concat")) {
    throw new Problem(
      "bad-request",
      "Upload-Defer-Length and Upload-Concat are not supported: say Upload-Length at once.",
    );
  }
  const length = headers.get("upload-length") ?? "";
  const size = wholeNumberOf(length);
  if (size === null) {
    if (/^\d{16,}$/.test(length)) {
      throw new Problem("too-large", `A file has at most ${SIZE_MAX} bytes.`);
    }
    throw new Problem("bad-request", "Upload-Length must be the number of bytes of the file.");
  }
  const metadata = headers.get("upload-metadata") ?? "";
  const pairs = metadataOf(metadata);
  const given = pairs.get("filename");
  if (given === undefined) {
    throw new Problem("bad-request", "Upload-Metadata must have a filename: the file's name.");
  }
  const name = checkedName(given);
  const condition = writeConditionOf(headers);
  const copies = copiesOf(headers);
  return {
    name,
    size,
    type: typeToKeep(pairs.get("filetype") ?? null, name),
    metadata,
    ...(copies === null ? {} : { copies }),
    ...(condition === null ? {} : { condition }),
  };
}

/** What all answers say of an upload. */
function headersOf({ name, offset, expiresMs, version }: UploadState): Record<string, string> {
  const file = version === null ? null : pathOfFile(name);
  return {
    "upload-offset": `${offset}`,
    "upload-expires": new Date(expiresMs).toUTCString(),
    ...(version === null ? {} : { etag: `"${version}"` }),
    ...(file === null ? {} : { "content-location": file }),
  };
}

/** Errors carry the version of tus as well. */
function tusProblemOf(error: unknown): unknown {
  let problem = error;
  if (error instanceof FileError) {
    problem = error.code === "checksum-mismatch"
      ? new Problem("upload-checksum-mismatch", error.message)
      : problemOfFile(error);
  }
  if (!(problem instanceof Problem)) return error;
  const { code, message, headers } = problem;
  return new Problem(code, message, { ...headers, "tus-resumable": VERSION });
}
