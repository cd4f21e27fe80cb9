import { createHash } from "node:crypto";

export interface FakeFile {
  readonly bytes: Uint8Array;
  readonly version: number;
  readonly type: string;
}

/** What the server does instead of what is right, once for each element. */
export type Fault =
  | { readonly kind: "status"; readonly method: string; readonly status: number }
  | { readonly kind: "wrong-digest"; readonly method: string }
  /** Ends the connection after so many bytes of a content. */
  | { readonly kind: "break"; readonly afterBytes: number };

/** The files of a cluster as the REST API serves them, in memory, with faults. */
export class FakeFilesServer {
  readonly files: Map<string, FakeFile> = new Map();
  readonly faults: Fault[] = [];
  /** Each request as a line, with its conditions. */
  readonly seen: string[] = [];
  /** Called before each answer. */
  onRequest: (method: string, name: string) => void = () => {};
  /** Number of files in a page at most. */
  pageMax = 2;
  #version = 0;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    this.#server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
      return this.#answer(request);
    });
  }

  get port(): number {
    return this.#server.addr.port;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  set(name: string, content: string | Uint8Array<ArrayBuffer>, type = "text/plain"): void {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    this.files.set(name, { bytes, type, version: ++this.#version });
  }

  text(name: string): string | undefined {
    const file = this.files.get(name);
    return file === undefined ? undefined : new TextDecoder().decode(file.bytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #answer(request: Request): Promise<Response> {
    const { method, headers } = request;
    const url = new URL(request.url);
    const names = ["if-match", "if-none-match", "range", "regent-copies", "content-type"];
    const conditions = names.filter((name) => headers.has(name)).map((name) =>
      `${name}: ${headers.get(name)}`
    );
    this.seen.push([`${method} ${url.pathname}${url.search}`, ...conditions].join(", "));
    const [, kind, path = ""] = /^\/(files|placement)\/?(.*)$/.exec(url.pathname) ?? [];
    const name = decodeURIComponent(path);
    this.onRequest(method, name);
    const status = this.#fault((fault) => fault.kind === "status" && fault.method === method);
    if (status?.kind === "status") {
      await request.body?.cancel();
      return problem(status.status, "busy", "The cluster is busy.", { "retry-after": "0" });
    }
    if (kind === "files" && path === "") return this.#list(url.searchParams);
    if (kind === "placement") return this.#place(name);
    if (method === "PUT") return await this.#put(request, name);
    const file = this.files.get(name);
    if (file === undefined) return problem(404, "not-found", "There is no such file.");
    const match = headers.get("if-match");
    if (match !== null && match !== `"${file.version}"`) {
      return problem(412, "precondition-failed", "The condition does not hold: it has changed.");
    }
    if (method !== "DELETE") return this.#get(request, file);
    this.files.delete(name);
    return new Response(null, { status: 204 });
  }

  async #put(request: Request, name: string): Promise<Response> {
    const { headers } = request;
    const old = this.files.get(name);
    const isFine = headers.get("if-none-match") === "*"
      ? old === undefined
      : [null, `"${old?.version}"`].includes(headers.get("if-match"));
    if (!isFine) {
      await request.body?.cancel();
      return problem(412, "precondition-failed", "The condition does not hold: it exists.");
    }
    this.set(name, await request.bytes(), headers.get("content-type") ?? "");
    const file = this.files.get(name);
    if (file === undefined) throw new Error("it was just set");
    return new Response(null, {
      status: old === undefined ? 201 : 204,
      headers: { etag: `"${file.version}"`, "repr-digest": this.#digest("PUT", file.bytes) },
    });
  }

  #get({ method, headers }: Request, file: FakeFile): Response {
    const { bytes, version } = file;
    const from = Number(/^bytes=(\d+)-$/.exec(headers.get("range") ?? "")?.[1] ?? 0);
    const part = bytes.subarray(from);
    const answer = {
      status: headers.has("range") ? 206 : 200,
      headers: {
        etag: `"${version}"`,
        "content-length": String(part.length),
        "repr-digest": this.#digest(method, bytes),
        ...(headers.has("range")
          ? { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` }
          : {}),
      },
    };
    if (method === "HEAD") return new Response(null, answer);
    const fault = this.#fault(({ kind }) => kind === "break");
    const end = fault?.kind === "break" ? fault.afterBytes : Infinity;
    let at = 0;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (at >= end) return controller.close(); // it is shorter than announced
        const chunk = part.subarray(at, Math.min(at + 65_536, end));
        at += chunk.length;
        if (chunk.length > 0) controller.enqueue(chunk);
        // What is sent before the end must arrive.
        if (at >= end) await new Promise((resolve) => setTimeout(resolve, 50));
        else if (at >= part.length) controller.close();
      },
    });
    return new Response(body as ReadableStream<Uint8Array<ArrayBuffer>>, answer);
  }

  #list(query: URLSearchParams): Response {
    const all = [...this.files].map(([name, { bytes, version, type }]) => ({
      ...{ name, version, type, size: bytes.length, copies: 3, modifiedMs: 1_000 * version },
      sha256: createHash("sha256").update(bytes).digest("hex"),
    }));
    const by = query.get("sort") ?? "name";
    all.sort((a, b) => {
      if (by === "size") return a.size - b.size;
      return by === "date" ? a.modifiedMs - b.modifiedMs : a.name < b.name ? -1 : 1;
    });
    if (query.get("order") === "desc") all.reverse();
    const wanted = all.filter(({ name }) => name.startsWith(query.get("prefix") ?? ""));
    const from = Number(query.get("cursor") ?? 0);
    const to = from + this.pageMax;
    const cursor = to < wanted.length ? String(to) : null;
    return Response.json({ files: wanted.slice(from, to), cursor });
  }

  #place(name: string): Response {
    if (!this.files.has(name)) return problem(404, "not-found", "There is no such file.");
    return Response.json({
      ...{ id: "0123456789abc", responsible: "n1", wanted: ["n1", "n2"], holders: ["n2"] },
      health: "degraded",
    });
  }

  #digest(method: string, bytes: Uint8Array): string {
    const wrong = this.#fault((one) => one.kind === "wrong-digest" && one.method === method);
    const base64 = createHash("sha256").update(bytes).update(wrong === undefined ? "" : "x")
      .digest("base64");
    return `sha-256=:${base64}:`;
  }

  #fault(isWanted: (fault: Fault) => boolean): Fault | undefined {
    const at = this.faults.findIndex(isWanted);
    return at < 0 ? undefined : this.faults.splice(at, 1)[0];
  }
}

function problem(
  status: number,
  code: string,
  detail: string,
  headers: Record<string, string> = {},
): Response {
  const type = { "content-type": "application/problem+json" };
  return Response.json({ status, code, detail }, { status, headers: { ...type, ...headers } });
}
