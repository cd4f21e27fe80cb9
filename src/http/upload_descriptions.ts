import { problem } from "./api.ts";
import { OF_CONTENTS } from "./file_descriptions.ts";

// What OpenAPI says of resumable uploads.

const STRING = { type: "string" };

const ID = {
  name: "id",
  in: "path",
  required: true,
  description: "As the Location of a new upload has it.",
  schema: STRING,
};

function header(name: string, description: string, required = false): object {
  return { name, in: "header", required, description, schema: STRING };
}

const TUS = header("Tus-Resumable", "1.0.0", true);

function headers(...names: readonly string[]): object {
  return { headers: Object.fromEntries(names.map((name) => [name, { schema: STRING }])) };
}

const PART = { content: { "application/offset+octet-stream": {} } };
const NO_UPLOAD = problem("There is no such upload, or no more.");
const VERSION = problem("Another version of tus, or the file's condition does not hold.");
const CHECKSUM = header("Upload-Checksum", "md5, sha1 or sha256 of this part, in base64.");
const OFFSET = ["Upload-Offset", "Upload-Expires", "ETag", "Content-Location"];
const OF_PARTS = {
  "400": problem("A header is invalid, or the part broke off."),
  "412": VERSION,
  "415": problem("The part is of another type than application/offset+octet-stream."),
  "460": problem("The part is not what its checksum says. It does not count."),
  ...OF_CONTENTS,
};

export const UPLOAD_OPTIONS = {
  operationId: "getUploadOptions",
  summary: "What of tus 1.0 is spoken here",
  responses: {
    "204": {
      description: "Versions, extensions, algorithms of checksums and the maximum size.",
      ...headers("Tus-Version", "Tus-Extension", "Tus-Checksum-Algorithm", "Tus-Max-Size"),
    },
  },
};

export const CREATE_UPLOAD = {
  operationId: "createUpload",
  summary: "Begin a resumable upload (tus 1.0), perhaps with its first part",
  parameters: [
    TUS,
    header("Upload-Length", "Bytes of the file.", true),
    header("Upload-Metadata", "`filename`, the file's name, and perhaps `filetype`.", true),
    header("Regent-Copies", "Number of copies, from 1 to 16."),
    header("If-Match", "Only if the file has this version when the upload is complete."),
    header("If-None-Match", "Only if there is no such file when the upload is complete: `*`."),
    CHECKSUM,
  ],
  requestBody: { required: false, ...PART },
  responses: {
    "201": { description: "It has begun.", ...headers("Location", ...OFFSET) },
    ...OF_PARTS,
  },
};

export const GET_UPLOAD = {
  operationId: "getUpload",
  summary: "How far an upload is; HEAD also ends a part that is still being sent",
  parameters: [TUS, ID],
  responses: {
    "200": {
      description: "The number of bytes that are durable. Those beyond are to be sent.",
      content: {
        "application/json": { schema: { $ref: "#/components/schemas/Upload" } },
      },
      ...headers("Upload-Length", "Upload-Metadata", ...OFFSET),
    },
    "400": problem("A parameter is given, or the upload's file was refused."),
    "404": NO_UPLOAD,
    "409": problem("What the upload had become was replaced or deleted."),
    "412": VERSION,
    "503": OF_CONTENTS["503"],
    "504": OF_CONTENTS["504"],
    "507": OF_CONTENTS["507"],
  },
};

export const CONTINUE_UPLOAD = {
  operationId: "continueUpload",
  summary: "Send the next part of an upload; the last one makes the file",
  parameters: [TUS, ID, header("Upload-Offset", "Number of bytes sent before.", true), CHECKSUM],
  requestBody: { required: true, ...PART },
  responses: {
    "204": { description: "The part is durable.", ...headers(...OFFSET) },
    "404": NO_UPLOAD,
    "409": problem("Upload-Offset is another one, or another request continues this upload."),
    ...OF_PARTS,
  },
};

export const DELETE_UPLOAD = {
  operationId: "deleteUpload",
  summary: "Give an upload up",
  parameters: [TUS, ID],
  responses: {
    "204": { description: "It is gone." },
    "400": problem("A parameter is given."),
    "404": NO_UPLOAD,
    "412": problem("Another version of tus."),
    "503": OF_CONTENTS["503"],
  },
};

/** The shape of the answer about an upload. */
export const UPLOAD_SCHEMA = {
  type: "object",
  required: ["name", "size", "offset", "version", "expiresMs"],
  properties: {
    name: STRING,
    size: { type: "integer", description: "Bytes." },
    offset: { type: "integer", description: "Number of bytes that are durable." },
    version: {
      type: ["integer", "null"],
      description: "Version of the file that it has become; null before.",
    },
    expiresMs: { type: "integer", description: "When it is removed unless it grows." },
  },
};
