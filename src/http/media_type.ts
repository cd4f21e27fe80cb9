import mime from "mime";
import { percentEncoded } from "./file_name.ts";
import { Problem } from "./problem.ts";

const TOKEN = "[\\w!#$%&'*+.^`|~-]+";
const MEDIA_TYPE = new RegExp(
  `^${TOKEN}/${TOKEN}(\\s*;\\s*${TOKEN}=(${TOKEN}|"[\\x20\\x21\\x23-\\x2b\\x2d-\\x5b\\x5d-\\x7e]*"))*$`,
);
/** Maximum length of a media type. */
const TYPE_LENGTH_MAX = 255;
const UNKNOWN = "application/octet-stream";

/**
 * The media type to keep with a file: the one that its client names, or the usual one of the name's
 * extension.
 *
 * @throws {Problem} when it is no media type
 */
export function typeToKeep(given: string | null, name: string): string {
  const type = given?.trim() ?? "";
  if (type === "") {
    const [extension] = /\.[^./]+$/.exec(name) ?? [];
    return (extension === undefined ? null : mime.getType(extension)) ?? UNKNOWN;
  }
  if (type.length > TYPE_LENGTH_MAX || !MEDIA_TYPE.test(type)) {
    throw new Problem("bad-request", "The type of the content is no media type.");
  }
  return type;
}

/** What browsers show as it is, and do not execute. SVG and XML may contain scripts. */
const SHOWN =
  /^(?![^;]*(?:html|xml|script|svg|css))(audio\/|video\/|image\/|(text\/plain|application\/json)(\s*;|\s*$))/i;
/** What a page may load as its own script, style or module, wherever it comes from. */
const LOADED = /^\s*(?:[^;]*(?:java|ecma|live|j)script|text\/css|application\/wasm)/i;

/**
 * Headers with which no browser runs a file as a part of this site, however it is asked for.
 *
 * @param isDownload whether the client wants to save it
 */
export function safeHeaders(
  { name, type }: { readonly name: string; readonly type: string },
  isDownload: boolean,
): Record<string, string> {
  const isKept = MEDIA_TYPE.test(type) && !LOADED.test(type);
  const isShown = isKept && SHOWN.test(type) && !isDownload;
  return {
    "content-type": isKept ? type : UNKNOWN,
    "content-disposition": disposition(isShown ? "inline" : "attachment", name),
    // It also holds for a file that is opened in a tab or a frame of its own.
    "content-security-policy": "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; " +
      "style-src 'unsafe-inline'; frame-ancestors 'self'",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
  };
}

/** `Content-Disposition` with the last segment of a name, as RFC 6266 and RFC 8187 have it. */
export function disposition(kind: "inline" | "attachment", name: string): string {
  const segments = name.split("/").filter((segment) => segment !== "");
  const file = segments.at(-1) ?? "file";
  const plain = file.replace(/[^\x20-\x7e]|["\\%]/g, "_");
  const extended = plain === file ? "" : `; filename*=UTF-8''${percentEncoded(file)}`;
  return `${kind}; filename="${plain}"${extended}`;
}
