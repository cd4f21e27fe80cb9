import { createHash } from "node:crypto";
import { joinBytes } from "../../../src/base/bytes.ts";

type Tags = Readonly<Record<string, string | number>>;

interface FakeFile {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly type: string;
  readonly tags: Tags;
  readonly version: number;
  readonly modifiedMs: number;
  readonly sha256: string;
}

interface Partial {
  readonly size: number;
  readonly metadata: Readonly<Record<string, string>>;
  bytes: Uint8Array<ArrayBuffer>;
}

/** Files in memory behind the REST and tus interfaces, with failures on request. */
export class FakeFiles {
  /** The tags that a file of this name gets when it is uploaded. */
  readonly tagsFor = new Map<string, Tags>();
  /** Breaks the next request that brings content for an upload after so many bytes. */
  breakUploadAfter: number | null = null;
  /** Whether content for uploads is refused once it has been broken. */
  refusesUploads = false;
  /** Bytes of content that resumable uploads have brought. */
  uploadedBytes = 0;
  /** Whether contents are refused, as if the server were gone. */
  isDown = false;
  /** Bytes a second at which contents are sent; `null`: at once. */
  pace: number | null = null;
  /** Each request as method and path. */
  readonly log: string[] = [];
  readonly #files = new Map<string, FakeFile>();
  readonly #partials = new Map<string, Partial>();
  readonly #reads = new Set<ReadableStreamDefaultController<Uint8Array>>();
  #version = 0;
  #uploads = 0;

  add(
    name: string,
    bytes: Uint8Array<ArrayBuffer>,
    { type = "application/octet-stream", tags = {}, modifiedMs = Date.now() }: {
      type?: string;
      tags?: Tags;
      modifiedMs?: number;
    } = {},
  ): void {
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    this.#files.set(name, {
      name,
      bytes,
      type,
      tags,
      version: ++this.#version,
      modifiedMs,
      sha256,
    });
  }

  /** Changes with each change. */
  get version(): number {
    return this.#version;
  }

  bytesOf(name: string): Uint8Array | null {
    return this.#files.get(name)?.bytes ?? null;
  }

  /** What `GET /files` says of all files. */
  get records() {
    return [...this.#files.values()].map(({ bytes, name, modifiedMs, ...file }) => ({
      ...file,
      name,
      href: `/files/${name.split("/").map(encodeURIComponent).join("/")}`,
      size: bytes.length,
      copies: 3,
      createdMs: modifiedMs,
      modifiedMs,
      owner: "",
      holders: ["n1", "n2", "n3"],
    }));
  }

  /** Breaks all contents that are being sent, as a node does that dies. */
  breakReads(): void {
    for (const controller of this.#reads) controller.error(new Error("broken on request"));
    this.#reads.clear();
  }

  async answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    this.log.push(`${request.method} ${url.pathname}`);
    if (url.pathname.startsWith("/uploads")) return await this.#answerTus(request, url.pathname);
    if (url.pathname === "/files") return this.#list(url.searchParams);
    const name = nameIn(url.pathname, "/files/");
    switch (request.method) {
      case "PUT":
        return await this.#put(request, name);
      case "DELETE":
        if (!this.#files.delete(name)) return problem(404, "not-found", "There is no such file.");
        this.#version++;
        return new Response(null, { status: 204 });
      default:
        return this.#get(request, name);
    }
  }

  #list(parameters: URLSearchParams): Response {
    const text = (parameters.get("q") ?? "").toLowerCase();
    const limit = Number(parameters.get("limit") ?? 100);
    const from = Number(parameters.get("cursor") ?? 0);
    const sort = parameters.get("sort") ?? "name";
    const sign = parameters.get("order") === "desc" ? -1 : 1;
    const found = this.records.filter(({ name, tags }) =>
      `${name} ${Object.values(tags).join(" ")}`.toLowerCase().includes(text)
    );
    found.sort((one, other) => {
      if (sort === "size") return sign * (one.size - other.size);
      if (sort === "date") return sign * (one.modifiedMs - other.modifiedMs);
      return sign * (one.name < other.name ? -1 : 1);
    });
    const end = from + limit;
    const cursor = end < found.length ? String(end) : null;
    return Response.json({ files: found.slice(from, end), cursor });
  }

  async #put(request: Request, name: string): Promise<Response> {
    const isNew = !this.#files.has(name);
    if (request.headers.get("if-none-match") === "*" && !isNew) {
      await request.body?.cancel();
      return problem(412, "precondition-failed", "A file of this name exists.");
    }
    this.#store(
      name,
      new Uint8Array(await request.arrayBuffer()),
      request.headers.get("content-type"),
    );
    return Response.json({ name }, { status: isNew ? 201 : 200 });
  }

  #store(name: string, bytes: Uint8Array<ArrayBuffer>, type: string | null): void {
    this.add(name, bytes, {
      ...(type === null ? {} : { type }),
      tags: this.tagsFor.get(name) ?? {},
    });
  }

  #get(request: Request, name: string): Response {
    const file = this.#files.get(name);
    if (this.isDown) return problem(503, "unavailable", "No holder answers.");
    if (file === undefined) return problem(404, "not-found", "There is no such file.");
    const { bytes, type } = file;
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get("range") ?? "");
    const from = Number(range?.[1] ?? 0);
    const to = range?.[2] ? Math.min(Number(range[2]) + 1, bytes.length) : bytes.length;
    const headers = new Headers({
      "accept-ranges": "bytes",
      "content-type": type,
      "content-length": String(to - from),
      etag: `"${file.version}"`,
    });
    if (range !== null) headers.set("content-range", `bytes ${from}-${to - 1}/${bytes.length}`);
    const body = request.method === "HEAD" ? null : this.#send(bytes.subarray(from, to));
    return new Response(body, { status: range === null ? 200 : 206, headers });
  }

  #send(bytes: Uint8Array): ReadableStream<Uint8Array> {
    let own: ReadableStreamDefaultController<Uint8Array>;
    let at = 0;
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        own = controller;
        this.#reads.add(own);
      },
      pull: async (controller) => {
        const size = this.pace === null ? 65_536 : Math.ceil(this.pace / 20);
        if (this.pace !== null && at > 0) await new Promise((resolve) => setTimeout(resolve, 50));
        if (!this.#reads.has(controller)) return;
        controller.enqueue(bytes.subarray(at, at + size));
        at += size;
        if (at < bytes.length) return;
        this.#reads.delete(controller);
        controller.close();
      },
      cancel: () => void this.#reads.delete(own),
    });
  }

  async #answerTus(request: Request, path: string): Promise<Response> {
    const headers = new Headers({ "tus-resumable": "1.0.0", "cache-control": "no-store" });
    if (request.method === "POST") {
      const metadata = metadataIn(request.headers.get("upload-metadata") ?? "");
      if (
        request.headers.get("if-none-match") === "*" && this.#files.has(metadata["filename"] ?? "")
      ) {
        return problem(412, "precondition-failed", "A file of this name exists.");
      }
      const location = `/uploads/${++this.#uploads}`;
      const size = Number(request.headers.get("upload-length"));
      this.#partials.set(location, { size, metadata, bytes: new Uint8Array(0) });
      headers.set("location", location);
      return new Response(null, { status: 201, headers });
    }
    const partial = this.#partials.get(path);
    if (partial === undefined) return problem(404, "not-found", "There is no such upload.");
    if (request.method === "DELETE") {
      this.#partials.delete(path);
      return new Response(null, { status: 204, headers });
    }
    if (request.method === "PATCH") {
      if (this.refusesUploads && this.breakUploadAfter === null) {
        return problem(503, "unavailable", "Not now.");
      }
      if (Number(request.headers.get("upload-offset")) !== partial.bytes.length) {
        return problem(409, "conflict", "The offset is another.");
      }
      await this.#receive(request, partial);
      if (partial.bytes.length === partial.size) {
        const { filename = "", filetype = null } = partial.metadata;
        this.#store(filename, partial.bytes, filetype);
      }
    }
    headers.set("upload-offset", String(partial.bytes.length));
    headers.set("upload-length", String(partial.size));
    return new Response(null, { status: request.method === "HEAD" ? 200 : 204, headers });
  }

  async #receive(request: Request, partial: Partial): Promise<void> {
    const parts: Uint8Array[] = [partial.bytes];
    let length = partial.bytes.length;
    for await (const chunk of request.body ?? []) {
      parts.push(chunk);
      length += chunk.length;
      this.uploadedBytes += chunk.length;
      if (this.breakUploadAfter !== null && length >= this.breakUploadAfter) break;
    }
    partial.bytes = joinBytes(parts);
    if (this.breakUploadAfter !== null && length >= this.breakUploadAfter) {
      this.breakUploadAfter = null;
      throw new Error("broken on request");
    }
  }
}

function metadataIn(header: string): Record<string, string> {
  return Object.fromEntries(
    header.split(",").filter((part) => part !== "").map((part) => {
      const [key = "", value = ""] = part.trim().split(" ");
      const bytes = Uint8Array.from(atob(value), (letter) => letter.charCodeAt(0));
      return [key, new TextDecoder().decode(bytes)];
    }),
  );
}

/** An answer as RFC 9457 has it. */
export function problem(status: number, code: string, detail: string): Response {
  return new Response(JSON.stringify({ type: "about:blank", status, code, detail }), {
    status,
    headers: { "content-type": "application/problem+json" },
  });
}

/** The name in a path. */
export function nameIn(pathname: string, prefix: string): string {
  return decodeURIComponent(pathname.slice(prefix.length));
}
