import { REGENT_VERSION } from "../base/version.ts";
import type { Api } from "./api.ts";
import { FILE_SCHEMAS } from "./file_descriptions.ts";
import { UPLOAD_SCHEMA } from "./upload_descriptions.ts";

/** Adds the operation that returns the OpenAPI description of all operations. */
export function addDescription(api: Api): void {
  api.add("get", "/openapi.json", {
    operationId: "getDescription",
    summary: "This description",
    responses: {
      "200": { description: "An OpenAPI document.", content: { "application/json": {} } },
    },
  }, () => Response.json(descriptionOf(api)));
}

/** The OpenAPI document of these operations. */
export function descriptionOf({ paths }: Api): object {
  return {
    openapi: "3.1.0",
    info: { title: "Regent", version: REGENT_VERSION },
    paths,
    components: { schemas: SCHEMAS },
  };
}

const STRING = { type: "string" };
const INTEGER = { type: "integer" };
const INTEGER_OR_NULL = { type: ["integer", "null"] };

function object(properties: Readonly<Record<string, object>>): object {
  return { type: "object", required: Object.keys(properties), properties };
}

const SCHEMAS = {
  ...FILE_SCHEMAS,
  Upload: UPLOAD_SCHEMA,
  Problem: object({
    type: STRING,
    title: STRING,
    status: INTEGER,
    code: { type: "string", description: "What went wrong, as a word for programs." },
    detail: { type: "string", description: "What went wrong, as a sentence." },
  }),
  Status: object({ status: STRING }),
  KeyPage: object({
    keys: {
      type: "array",
      items: object({
        key: { type: "string", description: "As text; bytes that are not UTF-8 are replaced." },
        href: {
          type: ["string", "null"],
          description: "The path of this key, exactly; null if no path can name it.",
        },
      }),
    },
    cursor: { type: ["string", "null"], description: "For the next page; null after the last." },
  }),
  Cluster: object({
    isServing: { type: "boolean", description: "Whether a leader answers and serves." },
    members: {
      type: "array",
      items: object({
        id: STRING,
        address: { type: "string", description: "Its address for Redis clients." },
        role: { type: "string", description: "`-` if it does not answer." },
        isAlive: { type: "boolean" },
        isServing: { type: "boolean" },
        term: INTEGER,
        commitIndex: INTEGER_OR_NULL,
        appliedIndex: INTEGER_OR_NULL,
        lag: INTEGER_OR_NULL,
        clockOffsetMs: INTEGER_OR_NULL,
        protocolVersion: INTEGER_OR_NULL,
        machineVersion: INTEGER_OR_NULL,
        machineVersionMax: INTEGER_OR_NULL,
        faults: { type: "array", items: STRING },
      }),
    },
  }),
};
