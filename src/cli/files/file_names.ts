import { UserError } from "../../base/errors.ts";

/** Maximum length of a name in bytes of UTF-8. */
const NAME_BYTES_MAX = 1024;

const encoder = new TextEncoder();

/**
 * A file's name in the form in which it is stored: composed (NFC), since some systems compose the
 * names of their files and others do not.
 *
 * @throws {UserError} when no file can have it
 */
export function fileNameOf(text: string): string {
  const name = text.normalize("NFC");
  const bytes = encoder.encode(name).length;
  const shown = JSON.stringify(text);
  if (bytes === 0) throw new UserError("Cannot use an empty name for a file");
  if (bytes > NAME_BYTES_MAX) {
    throw new UserError(
      `Cannot use a name of ${bytes} bytes, the limit is ${NAME_BYTES_MAX}: ${shown}`,
    );
  }
  // deno-lint-ignore no-control-regex -- these are what a name may not have
  if (/[\x00-\x1f\x7f]/.test(name) || !name.isWellFormed()) {
    throw new UserError(`Cannot use a name with control characters or broken Unicode: ${shown}`);
  }
  if (name.split("/").some((segment) => segment === "." || segment === "..")) {
    throw new UserError(`Cannot use a name with a part . or .. between slashes: ${shown}`);
  }
  return name;
}

/** The name as a part of a path, with all but unreserved characters and slashes percent-encoded. */
export function pathOfName(name: string): string {
  return name.split("/").map((segment) =>
    encodeURIComponent(segment).replace(
      /[!'()*]/g,
      (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
    )
  ).join("/");
}

/** A name as it can be shown on a terminal, which may take some characters as commands. */
export function shownName(name: string): string {
  return name.replace(
    // deno-lint-ignore no-control-regex -- these are what a terminal may obey
    /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
