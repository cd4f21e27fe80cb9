import { Buffer } from "node:buffer";
import { gunzipSync } from "node:zlib";

/** A file of the web page, as `src/web/page.ts` holds it. */
export interface PageFile {
  /** Media type. */
  readonly type: string;
  /** Changes with the content. */
  readonly etag: string;
  /** The content as gzip, in base64. */
  readonly gzip: string;
}

/**
 * The page gets everything from its own server, and may do nothing else. Songs that are fetched ahead
 * are played from `blob:` URLs. Vue makes one Trusted Types policy of its own.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "media-src 'self' blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types vue",
].join("; ");

const HEADERS = {
  "content-security-policy": CONTENT_SECURITY_POLICY,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "vary": "accept-encoding",
  "x-content-type-options": "nosniff",
};

interface Content {
  readonly gzip: Uint8Array<ArrayBuffer>;
  readonly plain: Uint8Array<ArrayBuffer>;
}

/** Serves the files of the web page. */
export class Page {
  readonly #files: ReadonlyMap<string, PageFile>;
  /** By path: what has been asked for so far. */
  readonly #contents = new Map<string, Content>();

  /** @param files by path: `/` is the document; the names of all others change with their content */
  constructor(files: Readonly<Record<string, PageFile>>) {
    this.#files = new Map(Object.entries(files));
  }

  /** Answers a GET or HEAD of one of the page's files. @returns `null` for all other requests */
  answer({ method, url, headers }: Request): Response | null {
    if (method !== "GET" && method !== "HEAD") return null;
    const { pathname } = new URL(url);
    const file = this.#files.get(pathname);
    if (file === undefined) return null;
    const isGzip = acceptsGzip(headers.get("accept-encoding") ?? "");
    const etag = `"${file.etag}${isGzip ? "-gzip" : ""}"`;
    const answered = new Headers({
      ...HEADERS,
      etag,
      "cache-control": pathname === "/" ? "no-cache" : "public, max-age=31536000, immutable",
    });
    if (matches(headers.get("if-none-match") ?? "", etag)) {
      return new Response(null, { status: 304, headers: answered });
    }
    const content = this.#contentOf(pathname, file);
    const body = isGzip ? content.gzip : content.plain;
    answered.set("content-type", file.type);
    answered.set("content-length", String(body.length));
    if (isGzip) answered.set("content-encoding", "gzip");
    return new Response(method === "HEAD" ? null : body, { headers: answered });
  }

  #contentOf(path: string, file: PageFile): Content {
    let content = this.#contents.get(path);
    if (content === undefined) {
      const gzip = new Uint8Array(Buffer.from(file.gzip, "base64"));
      content = { gzip, plain: new Uint8Array(gunzipSync(gzip)) };
      this.#contents.set(path, content);
    }
    return content;
  }
}

/** Whether a client takes gzip (RFC 9110, section 12.5.3). */
function acceptsGzip(acceptEncoding: string): boolean {
  return acceptEncoding.split(",").some((part) => {
    const [coding = "", ...parameters] = part.split(";").map((word) => word.trim().toLowerCase());
    return (coding === "gzip" || coding === "*") &&
      !parameters.some((one) => /^q=0(\.0*)?$/.test(one));
  });
}

/** Whether `If-None-Match` names the ETag, by weak comparison. */
function matches(ifNoneMatch: string, etag: string): boolean {
  const names = ifNoneMatch.split(",").map((name) => name.trim().replace(/^W\//, ""));
  return names.includes("*") || names.includes(etag);
}
