import { assert, assertEquals } from "@std/assert";
import { Readable } from "node:stream";
import type { Arguments } from "../../../src/base/byte_string.ts";
import { UserError } from "../../../src/base/errors.ts";
import { type Logger, silentLogger } from "../../../src/base/logger.ts";
import { StateMachine } from "../../../src/commands/state_machine.ts";
import { checkRequest } from "../../../src/commands/table.ts";
import type { FilesService } from "../../../src/files/files.ts";
import type { UploadsService } from "../../../src/files/resumable_uploads.ts";
import type { Operation } from "../../../src/http/api.ts";
import { HttpApi } from "../../../src/http/http_api.ts";
import { problemOf } from "../../../src/http/problem.ts";
import type { Store } from "../../../src/http/store_client.ts";
import { systemClock } from "../../../src/platform/clock.ts";
import type { SentRequest } from "../../../src/platform/http_listener.ts";
import { encodeReply } from "../../../src/resp/encode.ts";
import { ErrorReply, type Reply } from "../../../src/resp/reply.ts";
import { decodeReply } from "../../../src/resp/reply_scanner.ts";
import { replyOf } from "../reply_of.ts";

const TIME_MS = 1_700_000_000_000;

export interface HttpBenchOptions {
  readonly isLoopback?: boolean;
  readonly bodyBytesMax?: number;
  readonly whyNotReady?: string | null;
  readonly isClusterDown?: boolean;
  readonly info?: string | null;
  readonly stalledMsMax?: number;
  readonly watchersMax?: number;
  readonly heldBytesMax?: number;
  readonly logger?: Logger;
  readonly files?: FilesService;
  readonly uploads?: UploadsService;
}

/** A request, the answer to it as `operation status`, and the store's error reply if there is one. */
export type Answer = readonly [
  answer: string,
  method: string,
  path: string,
  init?: RequestInit,
  failure?: string | null,
];

/** The HTTP operations on a state machine of their own, without sockets. */
export class HttpBench implements Store {
  readonly http: HttpApi;
  /** The reply to every command, instead of the state machine's own. */
  failure: string | null = null;
  readonly #machine = new StateMachine();

  constructor(
    {
      isLoopback = true,
      bodyBytesMax = 1024,
      whyNotReady = null,
      isClusterDown = false,
      info = null,
      stalledMsMax = 10_000,
      watchersMax = 1,
      heldBytesMax = 1 << 28,
      logger = silentLogger,
      ...services
    }: HttpBenchOptions = {},
  ) {
    this.#machine.advanceTime(TIME_MS);
    this.http = new HttpApi({
      ...services,
      store: this,
      bodyBytesMax,
      isLoopback,
      clock: systemClock,
      logger,
      whyNotReady: () => Promise.resolve(whyNotReady),
      info: () => Promise.resolve(info),
      connections: () => 7,
      stalledMsMax,
      watchersMax,
      heldBytesMax,
      cluster: () =>
        isClusterDown
          ? Promise.reject(new UserError("Cannot reach the cluster: x"))
          : Promise.resolve({ isServing: true, members: [] }),
    });
  }

  request(args: Arguments): Promise<Reply> {
    const run = () =>
      this.failure === null
        ? this.#machine.execute(checkRequest(args), args, TIME_MS, () => 0)
        : new ErrorReply(this.failure);
    const reply = decodeReply(encodeReply(replyOf(run), 2));
    return reply instanceof ErrorReply ? Promise.reject(problemOf(reply)) : Promise.resolve(reply);
  }

  /** Executes a command as a Redis client would. */
  async command(...args: readonly string[]): Promise<Reply> {
    return await this.request(args);
  }

  /** Sends a request, and checks that the answer is one that the description lists. */
  async fetch(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    const request = new Request(`http://localhost:8001${path}`, { method, ...init });
    if (!request.headers.has("host")) request.headers.set("host", "localhost:8001");
    const response = await this.http.handle(request, sentOf(request));
    this.#checkDescribed(method, path, response);
    return response;
  }

  /** Sends a request that must fail. @returns its status, code and sentence */
  async problem(method: string, path: string, init: RequestInit = {}): Promise<string> {
    const response = await this.fetch(method, path, init);
    assertEquals(response.headers.get("content-type"), "application/problem+json");
    const { status, code, detail, type, title } = await response.json();
    assertEquals([status, type, typeof title], [response.status, "about:blank", "string"]);
    return `${status} ${code}: ${detail}`;
  }

  /** Sends each request. @returns each answer, as `operation status` */
  async answers(requests: readonly Answer[]): Promise<string[]> {
    const answers: string[] = [];
    for (const [, method, path, init, failure = null] of requests) {
      this.failure = failure;
      const { status, body } = await this.fetch(method, path, init);
      await body?.cancel();
      answers.push(`${this.operationOf(method, path)} ${status}`);
    }
    return answers;
  }

  /** All answers that the description lists, as `operation status`. */
  get describedAnswers(): string[] {
    return Object.values(this.http.api.paths).flatMap((methods) =>
      Object.values(methods).flatMap(({ operationId, responses }) =>
        Object.keys(responses).filter((status) => status !== "default")
          .map((status) => `${operationId} ${status}`)
      )
    );
  }

  /** The id of the operation that takes such a request; `undefined` if none does. */
  operationOf(method: string, path: string): string | undefined {
    return this.#operation(method, path)?.operationId;
  }

  #operation(method: string, path: string): Operation | undefined {
    const { pathname } = new URL(path, "http://localhost");
    const { paths } = this.http.api;
    const pattern = Object.keys(paths).find((described) => {
      const brace = described.indexOf("{");
      if (brace < 0) return described === pathname;
      return pathname.startsWith(described.slice(0, brace)) && pathname.length > brace;
    }) ?? "";
    return paths[pattern]?.[method === "HEAD" ? "get" : method.toLowerCase()];
  }

  #checkDescribed(method: string, path: string, { status, headers }: Response): void {
    const operation = this.#operation(method, path);
    if (operation === undefined) return assert([403, 404, 405].includes(status));
    if (status === 403 || status === 500) return; // any operation may
    const described = operation.responses[status];
    assert(described !== undefined, `${operation.operationId} may not answer ${status}`);
    const types = "content" in described ? Object.keys(described.content as object) : [];
    const type = headers.get("content-type")?.split(";")[0];
    if (types[0] === "*/*") return assert(type !== undefined);
    assertEquals(types, type === undefined ? [] : [type]);
  }
}

/** A request as if it had come over a socket. @param target the path and query */
export function sentOf(request: Request, target?: string): SentRequest {
  const { pathname, search } = new URL(request.url);
  const body = request.body === null ? Readable.from([]) : Readable.fromWeb(request.body);
  return { target: target ?? pathname + search, body, abort: () => {}, isWaiting: () => false };
}
