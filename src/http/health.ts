import { UserError } from "../base/errors.ts";
import { type Api, problem } from "./api.ts";
import { Problem } from "./problem.ts";

export interface HealthOptions {
  /** Why this process cannot serve a linearizable read now; `null` if it can. */
  readonly whyNotReady: () => Promise<string | null>;
  /** What `regent status` shows, as a value for JSON. Rejects with a `UserError` if nobody answers. */
  readonly cluster: () => Promise<object>;
}

/** Adds the operations that tell how this process and the cluster are. */
export function addHealth(api: Api, { whyNotReady, cluster }: HealthOptions): void {
  api.add("get", "/livez", LIVEZ, () => Response.json({ status: "live" }));

  api.add("get", "/readyz", READYZ, async () => {
    const reason = await whyNotReady();
    if (reason !== null) throw new Problem("not-ready", `Cannot serve now: ${reason}`);
    return Response.json({ status: "ready" });
  });

  api.add("get", "/cluster", CLUSTER, async () => {
    try {
      return Response.json(await cluster());
    } catch (error) {
      if (error instanceof UserError) throw new Problem("unavailable", error.message);
      throw error;
    }
  });
}

const STATUS = {
  "application/json": { schema: { $ref: "#/components/schemas/Status" } },
};
const LIVEZ = {
  operationId: "isLive",
  summary: "Whether this process works",
  responses: { "200": { description: "It does.", content: STATUS } },
};

const READYZ = {
  operationId: "isReady",
  summary: "Whether this process can serve linearizable reads now",
  responses: {
    "200": { description: "It can.", content: STATUS },
    "503": problem("It cannot; the sentence says why."),
  },
};

const CLUSTER = {
  operationId: "getCluster",
  summary: "The members with their roles, terms and indexes, as `regent status` shows them",
  responses: {
    "200": {
      description: "The members, each as it reports itself.",
      content: { "application/json": { schema: { $ref: "#/components/schemas/Cluster" } } },
    },
    "503": problem("No member answers."),
  },
};
