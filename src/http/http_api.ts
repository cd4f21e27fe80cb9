import type { Logger } from "../base/logger.ts";
import type { FilesService } from "../files/files.ts";
import type { UploadsService } from "../files/resumable_uploads.ts";
import type { Clock } from "../platform/clock.ts";
import type { HttpRefusal, SentRequest } from "../platform/http_listener.ts";
import { Api } from "./api.ts";
import { Bodies } from "./bodies.ts";
import { addEvents } from "./events.ts";
import { addFaults, type MemberFaults } from "./faults.ts";
import { addFiles } from "./files.ts";
import { addHealth, type HealthOptions } from "./health.ts";
import { addKeys } from "./keys.ts";
import { addMetrics, type MetricsOptions } from "./metrics.ts";
import { addDescription } from "./openapi.ts";
import type { Page } from "./page.ts";
import { Problem, type ProblemCode } from "./problem.ts";
import { checkSender } from "./sender.ts";
import type { Store } from "./store_client.ts";
import { addUploads } from "./uploads.ts";

export interface HttpApiOptions extends HealthOptions, MetricsOptions {
  readonly store: Store;
  /** @default none: there are no operations on files */
  readonly files?: FilesService;
  /** @default none: there are no resumable uploads */
  readonly uploads?: UploadsService;
  /** @default none: members cannot be made to fail */
  readonly faults?: MemberFaults;
  /** The web page. @default none */
  readonly page?: Page;
  /** Maximum size in bytes of a value. */
  readonly bodyBytesMax: number;
  /** Whether the port is open to this machine only. */
  readonly isLoopback: boolean;
  /** @default 30,000 */
  readonly stalledMsMax?: number;
  /** @default 256 MiB */
  readonly heldBytesMax?: number;
  /** @default 64 */
  readonly watchersMax?: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Added to all answers that do not say otherwise: nothing is kept by caches, and no browser takes an
 * answer for a page.
 */
const HEADERS = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
};

const REFUSALS: Readonly<Record<HttpRefusal, readonly [ProblemCode, string]>> = {
  "no-http": ["bad-request", "This is no request in HTTP/1.1."],
  "header-too-large": ["header-too-large", "The path and the headers together are too long."],
  "too-slow": ["too-slow", "The request did not arrive in time."],
  "too-many-connections": ["busy", "All connections of this port have requests, try again later."],
};

/** What a node or a proxy answers on its HTTP port. */
export class HttpApi {
  readonly api: Api;
  readonly #isLoopback: boolean;
  readonly #bodies: Bodies;
  readonly #page: Page | null;

  constructor(options: HttpApiOptions) {
    this.#page = options.page ?? null;
    this.#isLoopback = options.isLoopback;
    this.#bodies = new Bodies(options);
    this.api = new Api(options.logger);
    addHealth(this.api, options);
    addMetrics(this.api, { ...options, heldBytes: () => this.#bodies.heldBytes });
    addKeys(this.api, { ...options, bodies: this.#bodies });
    const { files, uploads, faults } = options;
    addEvents(this.api, {
      ...options,
      ...(files === undefined ? {} : { fileState: () => fileState(files) }),
    });
    if (files !== undefined) addFiles(this.api, { ...options, files });
    if (uploads !== undefined) addUploads(this.api, uploads);
    if (faults !== undefined) addFaults(this.api, faults);
    addDescription(this.api);
  }

  /** Answers a request. It never rejects. */
  async handle(request: Request, sent: SentRequest): Promise<Response> {
    const response = await this.#answer(request, sent);
    // A client that waits for leave to send its body never gets it: its connection ends.
    if (sent.isWaiting()) response.headers.set("connection", "close");
    else if (hasBody(request)) this.#bodies.drop(sent.body);
    return withHeaders(response);
  }

  /** The answer to a request that is refused before it was read. */
  refuse(refusal: HttpRefusal): Response {
    return withHeaders(new Problem(...REFUSALS[refusal]).response());
  }

  async #answer(request: Request, sent: SentRequest): Promise<Response> {
    try {
      checkSender(request, this.#isLoopback);
    } catch (error) {
      if (error instanceof Problem) return error.response();
      throw error;
    }
    return this.#page?.answer(request) ?? await this.api.handle(request, sent);
  }
}

function withHeaders(response: Response): Response {
  for (const [name, value] of Object.entries(HEADERS)) {
    if (!response.headers.has(name)) response.headers.set(name, value);
  }
  return response;
}

function hasBody({ headers }: Request): boolean {
  return headers.has("transfer-encoding") || Number(headers.get("content-length") ?? 0) > 0;
}

/** What watchers are told of files. What changes without end is rounded, so that they hear little. */
async function fileState(files: FilesService): Promise<object> {
  const [{ version }, status, progress] = await Promise.all([
    files.nodes(),
    files.repair(),
    files.progress(),
  ]);
  const nodes = progress.map(({ node, pulls, scrub }) => ({
    node,
    left: pulls.left,
    bytesLeft: pulls.bytesLeft,
    bytesPerSecond: pulls.left === 0 ? 0 : pulls.bytesPerSecond,
    scrubbedPercent: scrub.total === 0 ? 100 : Math.floor(100 * scrub.done / scrub.total),
    corrupt: scrub.corrupt,
  }));
  return { version, ...status, progress: nodes };
}
