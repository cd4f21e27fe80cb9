import { FILE_COPIES_MAX } from "../store/file_rules.ts";
import { problem } from "./api.ts";

// What OpenAPI says of the operations on files.

const STRING = { type: "string" };
const INTEGER = { type: "integer" };
const STRINGS = { type: "array", items: STRING };

const NAME = {
  name: "name",
  in: "path",
  required: true,
  description: "UTF-8 in at most 1,024 bytes, percent-encoded. It may contain slashes, but no " +
    "control characters and no segment `.` or `..`. Names that differ in composition are one.",
  schema: STRING,
};

function header(name: string, description: string, schema: object = STRING): object {
  return { name, in: "header", description, schema };
}

function query(name: string, description: string, schema: object): object {
  return { name, in: "query", description, schema };
}

function headers(...names: readonly string[]): object {
  return { headers: Object.fromEntries(names.map((name) => [name, { schema: STRING }])) };
}

const INVALID_NAME = problem("The name, a parameter or a header is invalid.");
const NO_FILE = problem("There is no such file.");
const UNAVAILABLE = problem("No leader, no holder, or too much in progress. Try again.");
const UNKNOWN = problem("The write may or may not have been executed.");
const FAILED_CONDITION = problem("The condition does not hold.");

/** Answers to those who send content. */
export const OF_CONTENTS = {
  "413": problem("The content is too large."),
  "503": UNAVAILABLE,
  "504": UNKNOWN,
  "507": problem("The disks have no room for it. Nothing was changed."),
};

export const PUT_FILE = {
  operationId: "putFile",
  summary: "Create or replace a file",
  parameters: [
    NAME,
    header("Content-Type", "Kept with the file. By default that of the name's extension."),
    header("Regent-Copies", "Number of copies.", {
      type: "integer",
      minimum: 1,
      maximum: FILE_COPIES_MAX,
    }),
    header("If-Match", "Only if the file has this version, in quotes, or exists at all (`*`)."),
    header("If-None-Match", "Only if there is no such file.", { type: "string", const: "*" }),
    header("Repr-Digest", "sha-256 and md5 are checked, others refused. So is Content-Digest."),
    header("Content-MD5", "Checked."),
  ],
  requestBody: { required: true, content: { "*/*": {} } },
  responses: {
    "201": {
      description: "The file is new, and on the disks of a majority of its copies.",
      ...headers("ETag", "Location", "Repr-Digest"),
    },
    "204": {
      description: "The file has this content now, on the disks of a majority of its copies.",
      ...headers("ETag", "Repr-Digest"),
    },
    "400": problem("The name or a header is invalid, or a digest is not that of the content."),
    "412": FAILED_CONDITION,
    "415": problem("The content is compressed by Content-Encoding."),
    ...OF_CONTENTS,
  },
};

const CONTENT = { "*/*": {} };
const OF_CONTENT = headers(
  "ETag",
  "Last-Modified",
  "Accept-Ranges",
  "Content-Disposition",
  "Content-Length",
  "Repr-Digest",
);

export const GET_FILE = {
  operationId: "getFile",
  summary: "Get the content of a file, or parts of it",
  parameters: [
    NAME,
    query("download", "Any value makes a browser save the file.", STRING),
    header("Range", "Up to 16 ranges of bytes. Those that overlap become one."),
    header("If-Range", "The version that the ranges are of, in quotes."),
    header("If-Match", "Only if the file has one of these versions."),
    header("If-None-Match", "Only if the file has none of these versions."),
    header("If-Modified-Since", "Only if it is newer."),
    header("If-Unmodified-Since", "Only if it is not newer."),
  ],
  responses: {
    "200": { description: "The whole content.", content: CONTENT, ...OF_CONTENT },
    "206": {
      description: "One range, or several as multipart/byteranges.",
      content: CONTENT,
      ...OF_CONTENT,
    },
    "304": { description: "The client has this version.", ...headers("ETag", "Last-Modified") },
    "400": INVALID_NAME,
    "404": NO_FILE,
    "412": FAILED_CONDITION,
    "416": problem("The content has no byte in the range, or the ranges are not understood."),
    "503": UNAVAILABLE,
  },
};

export const DELETE_FILE = {
  operationId: "deleteFile",
  summary: "Delete a file",
  parameters: [NAME, header("If-Match", "Only if the file has this version, in quotes.")],
  responses: {
    "204": { description: "The file is deleted." },
    "400": INVALID_NAME,
    "404": NO_FILE,
    "412": FAILED_CONDITION,
    "503": UNAVAILABLE,
    "504": UNKNOWN,
  },
};

function json(description: string, schema: string): object {
  const content = { "application/json": { schema: { $ref: `#/components/schemas/${schema}` } } };
  return { description, content };
}

export const LIST_FILES = {
  operationId: "listFiles",
  summary: "List files in order, by name, size or date",
  parameters: [
    query("prefix", "Only files whose names begin with this.", STRING),
    query("q", "Only files with this text in the name or the tags, in any case.", STRING),
    query("limit", "Maximum number of files.", {
      type: "integer",
      minimum: 1,
      maximum: 1_000,
      default: 100,
    }),
    query("cursor", "The one of the page before.", STRING),
    query("sort", "What the order is by.", { type: "string", enum: ["name", "size", "date"] }),
    query("order", "Ascending or descending.", { type: "string", enum: ["asc", "desc"] }),
  ],
  responses: {
    "200": json("A page. It may be short, or empty, although others follow.", "FilePage"),
    "400": problem("A parameter is invalid."),
    "503": UNAVAILABLE,
  },
};

export const GET_PLACEMENT = {
  operationId: "getPlacement",
  summary: "Which nodes hold a file, and which should",
  parameters: [NAME],
  responses: {
    "200": json("Its place on the ring, and its holders.", "FilePlace"),
    "400": INVALID_NAME,
    "404": NO_FILE,
    "503": UNAVAILABLE,
  },
};

export const GET_REPAIR = {
  operationId: "getRepair",
  summary: "What there is to repair, and the nodes that hold files",
  responses: {
    "200": json("Numbers of the whole cluster, its nodes, and what they do.", "Repair"),
    "400": problem("A parameter is given."),
    "503": UNAVAILABLE,
  },
};

function object(properties: Readonly<Record<string, object>>): object {
  return { type: "object", required: Object.keys(properties), properties };
}

function integers(...names: readonly string[]): Record<string, object> {
  return Object.fromEntries(names.map((name) => [name, INTEGER]));
}

/** The shapes of answers about files. */
export const FILE_SCHEMAS = {
  FilePage: object({
    files: {
      type: "array",
      items: object({
        name: STRING,
        href: {
          type: ["string", "null"],
          description: "The path of this file; null if no path can name it.",
        },
        version: { type: "integer", description: "Its ETag without quotes. It only grows." },
        size: { type: "integer", description: "Bytes." },
        sha256: { type: "string", description: "64 hexadecimal digits." },
        type: { type: "string", description: "Its media type." },
        copies: INTEGER,
        createdMs: INTEGER,
        modifiedMs: INTEGER,
        owner: STRING,
        tags: { type: "object", additionalProperties: { type: ["string", "number"] } },
        holders: { ...STRINGS, description: "Nodes that have confirmed their copy." },
      }),
    },
    cursor: { type: ["string", "null"], description: "For the next page; null after the last." },
  }),
  FilePlace: object({
    id: { type: "string", description: "13 hexadecimal digits." },
    responsible: STRING,
    wanted: STRINGS,
    holders: STRINGS,
    health: { type: "string", enum: ["healthy", "moving", "degraded", "lost"] },
  }),
  Repair: object({
    status: object(
      integers(
        ...["files", "bytes", "blobs", "dead", "missing", "missingBytes", "below", "lost"],
        ...["surplus", "nodes", "up", "out", "draining"],
      ),
    ),
    layout: object({
      revision: INTEGER,
      version: INTEGER,
      nodes: {
        type: "array",
        items: object({
          id: STRING,
          address: STRING,
          weight: { type: "number" },
          capacity: INTEGER,
          free: INTEGER,
          state: { type: "string", enum: ["up", "out", "draining"] },
          ringWeight: { type: "number" },
          blobs: INTEGER,
          bytes: INTEGER,
        }),
      },
    }),
    progress: {
      type: "array",
      description: "What each node that answers does to repair, and to check its copies.",
      items: object({
        node: STRING,
        pulls: object({
          blobs: {
            type: "array",
            description: "The copies that it fetches now.",
            items: object({ blob: STRING, ...integers("size", "bytes") }),
          },
          left: { type: "integer", description: "Copies that it has to fetch, those included." },
          ...integers("bytesLeft", "bytesPerSecond", "bytesPerSecondMax"),
          ...integers("blobsDone", "bytesDone", "failures"),
        }),
        scrub: object(
          integers(
            ...["done", "total", "rounds", "bytes", "bytesPerSecond", "bytesPerSecondMax"],
            "corrupt",
          ),
        ),
      }),
    },
  }),
};
