import { type Api, problem } from "./api.ts";
import { Problem } from "./problem.ts";
import { checkQuery } from "./request_checks.ts";
import { wholeNumberOf } from "./whole_number.ts";

/** Maximum duration in milliseconds: a fault that somebody has forgotten ends by itself. */
const DURATION_MS_MAX = 60_000;
const DURATION_MS_DEFAULT = 5_000;

/** What can be done to a member. */
export type MemberFault = "pause" | "isolate" | "heal";
const FAULTS: readonly MemberFault[] = ["pause", "isolate", "heal"];

/** Failures on purpose, of the members that were started with `--allow-faults`. */
export interface MemberFaults {
  /** The ids of the members that allow it, of those that answer. */
  allowed(): Promise<readonly string[]>;
  /**
   * Begins a fault of so many milliseconds, or ends all faults (`heal`).
   *
   * @returns why it was not done; `null` if it was
   */
  begin(
    member: string,
    fault: MemberFault,
    durationMs: number,
  ): Promise<"no-such-member" | "not-allowed" | "no-answer" | null>;
}

/** Adds the operations that make members fail on purpose. */
export function addFaults(api: Api, faults: MemberFaults): void {
  api.add("get", "/faults", GET_FAULTS, async (request) => {
    checkQuery(request, []);
    return Response.json({ members: await faults.allowed() });
  });

  api.add("post", "/faults/{member}", POST_FAULT, async (request, member) => {
    checkQuery(request, ["fault", "duration-ms"]);
    const { searchParams } = request.url;
    const fault = FAULTS.find((one) => one === searchParams.get("fault"));
    if (fault === undefined) throw new Problem("bad-request", `fault is ${FAULTS.join(", ")}.`);
    const text = searchParams.get("duration-ms") ?? `${DURATION_MS_DEFAULT}`;
    const durationMs = wholeNumberOf(text);
    if (durationMs === null || durationMs < 1 || durationMs > DURATION_MS_MAX) {
      throw new Problem("bad-request", `duration-ms is a whole number up to ${DURATION_MS_MAX}.`);
    }
    switch (await faults.begin(member, fault, durationMs)) {
      case "no-such-member":
        throw new Problem("not-found", "There is no such member.");
      case "not-allowed":
        throw new Problem("conflict", "This member was not started with --allow-faults.");
      case "no-answer":
        throw new Problem("unavailable", "This member does not answer.");
      case null:
        return new Response(null, { status: 204 });
    }
  });
}

const GET_FAULTS = {
  operationId: "getFaults",
  summary: "The members that may be made to fail on purpose",
  responses: {
    "200": {
      description: "Their ids: those that were started with `--allow-faults` and answer.",
      content: {
        "application/json": {
          schema: {
            type: "object",
            required: ["members"],
            properties: { members: { type: "array", items: { type: "string" } } },
          },
        },
      },
    },
    "400": problem("There are parameters."),
  },
};

const POST_FAULT = {
  operationId: "beginFault",
  summary: "Make a member fail on purpose, for a time",
  parameters: [
    { name: "member", in: "path", required: true, schema: { type: "string" } },
    { name: "fault", in: "query", required: true, schema: { enum: FAULTS } },
    {
      name: "duration-ms",
      in: "query",
      schema: {
        type: "integer",
        minimum: 1,
        maximum: DURATION_MS_MAX,
        default: DURATION_MS_DEFAULT,
      },
    },
  ],
  responses: {
    "204": { description: "The fault has begun; or all faults have ended, with `heal`." },
    "400": problem("A parameter is invalid."),
    "404": problem("There is no such member."),
    "409": problem("The member does not allow it."),
    "503": problem("The member does not answer."),
  },
};
