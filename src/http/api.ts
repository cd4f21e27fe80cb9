import { type Context, Hono } from "hono";
import { messageOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { FileError } from "../files/file_error.ts";
import type { BodySource, SentRequest } from "../platform/http_listener.ts";
import { Problem, problemOfFile } from "./problem.ts";

export type Method = "get" | "put" | "post" | "delete" | "patch" | "options";

const METHODS: readonly string[] = ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"];

/** One operation, as OpenAPI 3.1 describes it. */
export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters?: readonly object[];
  readonly requestBody?: object;
  /** By status. */
  readonly responses: Readonly<Record<string, object>>;
}

/** The description of an answer that is a problem. */
export function problem(description: string): object {
  const schema = { $ref: "#/components/schemas/Problem" };
  return { description, content: { "application/problem+json": { schema } } };
}

/** What any operation may answer. */
const DEFAULT = problem("The request is refused (403), or failed (500), whatever it asks for.");

interface Route {
  readonly method: Method;
  /** As OpenAPI writes it: `/keys/{key}`. */
  readonly path: string;
}

/** A request as handlers see it. */
export interface ApiRequest {
  /** In capitals. `HEAD` comes to the handlers of `GET`. */
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly body: BodySource;
  /** Ends the connection at once, so that an answer that broke off does not look complete. */
  readonly abort: () => void;
}

/** A path segment `.` or `..`, which URLs lose together with what stands before it. */
const DOT_SEGMENT = /(^|\/)(\.|%2e){1,2}(\/|$)/i;

/** The path in a target, unchanged. @throws {Problem} when it is not the one that a URL has */
function pathOf(target: string): string {
  const [path = ""] = target.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, "").split("?");
  if (DOT_SEGMENT.test(path) || path.includes("#") || path.includes("\\")) {
    throw new Problem(
      "bad-request",
      "A path may have no segment . or .. and neither # nor \\; such keys are for Redis clients.",
    );
  }
  return path;
}

/** Whether a path means the same to everybody. */
export function isPlainPath(path: string): boolean {
  return !DOT_SEGMENT.test(path);
}

/** The operations of an HTTP port, each with its description, and the errors for all others. */
export class Api {
  readonly #app = new Hono();
  readonly #routes: Route[] = [];
  readonly #paths: Record<string, Record<string, Operation>> = {};
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
    this.#app.notFound((context) => this.#unknown(context).response());
  }

  /**
   * Adds an operation.
   *
   * @param path with parameters in braces; the last one may contain slashes
   */
  add(
    method: Method,
    path: string,
    operation: Operation,
    handle: (request: ApiRequest, parameter: string) => Response | Promise<Response>,
  ): void {
    const brace = path.indexOf("{");
    const prefix = brace < 0 ? path : path.slice(0, brace);
    const pattern = brace < 0 ? path : `${prefix}:parameter{.+}`;
    this.#app.on(method.toUpperCase(), pattern, async ({ req, env }) => {
      try {
        const { target, body, abort } = env as SentRequest;
        const path = pathOf(target);
        const { method, url, headers } = req.raw;
        const request = { method, url: new URL(url), headers, body, abort };
        const response = await handle(request, brace < 0 ? "" : path.slice(prefix.length));
        // Hono drops the body of an answer to HEAD, and what it holds would be held for ever.
        if (req.raw.method === "HEAD") await response.body?.cancel();
        return response;
      } catch (error) {
        return this.#failed(operation, error);
      }
    });
    this.#routes.push({ method, path });
    const responses = { ...operation.responses, default: DEFAULT };
    (this.#paths[path] ??= {})[method] = { ...operation, responses };
  }

  /** The methods and paths of all operations. */
  get routes(): readonly Pick<Route, "method" | "path">[] {
    return this.#routes;
  }

  /** The paths of the OpenAPI description. */
  get paths(): Readonly<Record<string, Readonly<Record<string, Operation>>>> {
    return this.#paths;
  }

  async handle(request: Request, sent: SentRequest): Promise<Response> {
    return await this.#app.fetch(request, sent);
  }

  #failed({ operationId }: Operation, error: unknown): Response {
    if (error instanceof Problem) return error.response();
    if (error instanceof FileError) return problemOfFile(error).response();
    this.#logger.error(`HTTP ${operationId}: ${messageOf(error)}`);
    return new Problem("internal-error", "This request failed; the log says why.").response();
  }

  #unknown({ req }: Context): Problem {
    const { pathname } = new URL(req.url);
    const methods = METHODS.filter((method) =>
      this.#app.router.match(method, pathname)[0].length > 0
    );
    if (methods.length === 0) {
      return new Problem("not-found", "There is nothing here; /openapi.json lists what there is.");
    }
    const allow = [...methods, ...(methods.includes("GET") ? ["HEAD"] : [])].join(", ");
    const detail = `${req.method} is not possible here, only ${allow}.`;
    return new Problem("method-not-allowed", detail, { allow });
  }
}
