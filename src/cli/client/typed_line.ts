import { latin1, latin1Bytes } from "../../base/latin1.ts";
import { splitInline } from "../../resp/inline.ts";

/** Text as its bytes in UTF-8, one character (0–255) for each. */
export function bytesOfText(text: string): string {
  const bytes = new TextEncoder().encode(text);
  return latin1(bytes, 0, bytes.length);
}

/** What `bytesOfText` gives, as text again. */
export function textOfBytes(bytes: string): string {
  return new TextDecoder().decode(latin1Bytes(bytes));
}

/** The arguments of a command typed by a person; `null` when quotes do not balance. */
export function typedArguments(line: string): string[] | null {
  return splitInline(bytesOfText(line));
}

/** Settings of Redis that hold passwords. */
const SECRET_SETTINGS = /^(requirepass|masterauth|masteruser|tls-.*-pass)$/i;

/** Whether a line may hold a password, and so must not be kept. */
export function isSecretLine(line: string): boolean {
  const words = typedArguments(line) ?? line.trim().split(/\s+/);
  const [name, second, ...rest] = words.map((word) => word.replace(/^["']/, "").toLowerCase());
  const hasAuth = [second, ...rest].some((word) => word === "auth" || word === "auth2");
  switch (name) {
    case "auth":
      return true;
    case "hello":
    case "migrate":
      return hasAuth;
    case "acl":
      return second === "setuser";
    case "config":
      return second === "set" && rest.some((word) => SECRET_SETTINGS.test(word));
    default:
      return false;
  }
}
