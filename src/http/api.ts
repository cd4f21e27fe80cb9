import { type Context, Hono } from "hono";
import { messageOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { Problem } from "./problem.ts";

export type Method = "get" | "put" | "post" | "delete";

/** One operation, as OpenAPI 3.1 describes it. */
export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters?: readonly object[];
  readonly requestBody?: object;
  /** By status. */
  readonly responses: Readonly<Record<string, object>>;
}

interface Route {
  readonly method: Method;
  /** As OpenAPI writes it: `/keys/{key}`. */
  readonly path: string;
  readonly pattern: RegExp;
}

/** The operations of an HTTP port, each with its description, and the errors for all others. */
export class Api {
  readonly #app = new Hono();
  readonly #routes: Route[] = [];
  readonly #paths: Record<string, Record<string, Operation>> = {};

  constructor(logger: Logger) {
    this.#app.notFound((context) => this.#unknown(context).response());
    this.#app.onError((error, context) => {
      if (error instanceof Problem) return error.response();
      logger.error(`HTTP ${context.req.method} ${context.req.path}: ${messageOf(error)}`);
      return new Problem("internal-error", "This request failed; the log says why.").response();
    });
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
    handle: (request: Request, parameter: string) => Response | Promise<Response>,
  ): void {
    const brace = path.indexOf("{");
    const prefix = brace < 0 ? path : path.slice(0, brace);
    const pattern = brace < 0 ? path : `${prefix}:parameter{.+}`;
    this.#app.on(method.toUpperCase(), pattern, (context) => {
      const { pathname } = new URL(context.req.url);
      return handle(context.req.raw, brace < 0 ? "" : pathname.slice(prefix.length));
    });
    const escaped = prefix.replaceAll(".", "\\.");
    this.#routes.push({
      method,
      path,
      pattern: new RegExp(brace < 0 ? `^${escaped}$` : `^${escaped}.+$`, "s"),
    });
    (this.#paths[path] ??= {})[method] = operation;
  }

  /** The methods and paths of all operations. */
  get routes(): readonly Pick<Route, "method" | "path">[] {
    return this.#routes;
  }

  /** The paths of the OpenAPI description. */
  get paths(): Readonly<Record<string, Readonly<Record<string, Operation>>>> {
    return this.#paths;
  }

  async handle(request: Request): Promise<Response> {
    return await this.#app.fetch(request);
  }

  #unknown({ req }: Context): Problem {
    const { pathname } = new URL(req.url);
    const methods = this.#routes.filter(({ pattern }) => pattern.test(pathname))
      .map(({ method }) => method.toUpperCase());
    if (methods.length === 0) {
      return new Problem("not-found", "There is nothing here; /openapi.json lists what there is.");
    }
    const allow = [...methods, ...(methods.includes("GET") ? ["HEAD"] : [])].join(", ");
    const detail = `${req.method} is not possible here, only ${allow}.`;
    return new Problem("method-not-allowed", detail, { allow });
  }
}
