import { type NamePattern, READ, READ_AND_WRITE, type Rights, WRITE } from "./user.ts";
import { isPasswordDigest, parseVerifier, passwordDigest, type Verifier } from "./verifier.ts";
import { asciiLower, hasSpaces, quotedWord, splitWords } from "./words.ts";

/** A rule that may also stand within parentheses. */
export type SelectorRule =
  | { readonly kind: "all-keys" | "reset-keys" }
  | { readonly kind: "all-files" | "reset-files" }
  | { readonly kind: "all-channels" | "reset-channels" }
  | { readonly kind: "all-commands" | "no-commands" }
  /** `name` is in lower case: `get`, `config|get`, `@read`, or `select|0` with a first argument. */
  | { readonly kind: "command"; readonly isAllowed: boolean; readonly name: string }
  | { readonly kind: "key" | "file" } & NamePattern
  | { readonly kind: "channel"; readonly pattern: string };

/** A rule of `ACL SETUSER`. */
export type Rule =
  | SelectorRule
  | { readonly kind: "on" | "off" | "nopass" | "resetpass" | "reset" | "clearselectors" }
  | { readonly kind: "sanitize-payload" | "skip-sanitize-payload" }
  /** Passwords of which the digest is known. These rules are never replicated. */
  | { readonly kind: "add-password" | "remove-password"; readonly digest: string }
  | { readonly kind: "add-verifier" | "remove-verifier"; readonly verifier: Verifier }
  | { readonly kind: "selector"; readonly rules: readonly SelectorRule[] };

/** Why a text is no rule, in Redis's words. */
export type RuleFault = string;
export const SYNTAX_FAULT: RuleFault = "Syntax error";
export const UNKNOWN_FAULT: RuleFault = "Unknown command or category name in ACL";
export const HASH_FAULT: RuleFault =
  "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters";

const SELECTOR_WORDS: ReadonlyMap<string, SelectorRule> = new Map<string, SelectorRule>([
  ["allkeys", { kind: "all-keys" }],
  ["~*", { kind: "all-keys" }],
  ["resetkeys", { kind: "reset-keys" }],
  ["allfiles", { kind: "all-files" }],
  ["%f~*", { kind: "all-files" }],
  ["resetfiles", { kind: "reset-files" }],
  ["allchannels", { kind: "all-channels" }],
  ["&*", { kind: "all-channels" }],
  ["resetchannels", { kind: "reset-channels" }],
  ["allcommands", { kind: "all-commands" }],
  ["+@all", { kind: "all-commands" }],
  ["nocommands", { kind: "no-commands" }],
  ["-@all", { kind: "no-commands" }],
]);

const USER_WORDS: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ["on", { kind: "on" }],
  ["off", { kind: "off" }],
  ["nopass", { kind: "nopass" }],
  ["resetpass", { kind: "resetpass" }],
  ["sanitize-payload", { kind: "sanitize-payload" }],
  ["skip-sanitize-payload", { kind: "skip-sanitize-payload" }],
  ["clearselectors", { kind: "clearselectors" }],
  ["reset", { kind: "reset" }],
]);

const WORD_LENGTH_MAX = Math.max(...[...USER_WORDS.keys()].map(({ length }) => length));

/**
 * The rule of a text, or why it is none. Whether its commands exist is not checked.
 *
 * @param text a byte string that is not empty
 */
export function parseRule(text: string): Rule | RuleFault {
  const word = text.length > WORD_LENGTH_MAX ? "" : asciiLower(text);
  const known = USER_WORDS.get(word);
  if (known !== undefined) return known;
  const rest = text.slice(1);
  switch (text.charAt(0)) {
    case ">":
      return { kind: "add-password", digest: passwordDigest(rest) };
    case "<":
      return { kind: "remove-password", digest: passwordDigest(rest) };
    case "#":
      return hashRule(rest, "add-password", "add-verifier");
    case "!":
      return hashRule(rest, "remove-password", "remove-verifier");
    case "(":
      return parseSelector(text);
    default:
      return parseSelectorRule(text);
  }
}

function hashRule(
  hash: string,
  ofDigest: "add-password" | "remove-password",
  ofVerifier: "add-verifier" | "remove-verifier",
): Rule | RuleFault {
  if (isPasswordDigest(hash)) return { kind: ofDigest, digest: hash };
  return parseVerifier(hash) === null ? HASH_FAULT : { kind: ofVerifier, verifier: hash };
}

/** The texts of the rules within parentheses; `null` if there are no parentheses around them. */
export function wordsOfSelector(text: string): string[] | null {
  if (text.length < 2 || !text.startsWith("(") || !text.endsWith(")")) return null;
  return text.includes("\0") ? null : splitWords(text.slice(1, -1));
}

function parseSelector(text: string): Rule | RuleFault {
  const words = wordsOfSelector(text);
  if (words === null) return SYNTAX_FAULT;
  const rules: SelectorRule[] = [];
  for (const word of words) {
    const rule = parseSelectorRule(word);
    if (typeof rule === "string") return rule;
    rules.push(rule);
  }
  return { kind: "selector", rules };
}

/** As `parseRule`, for the rules that may stand within parentheses. */
export function parseSelectorRule(text: string): SelectorRule | RuleFault {
  const word = text.length > WORD_LENGTH_MAX ? "" : asciiLower(text);
  const known = SELECTOR_WORDS.get(word);
  if (known !== undefined) return known;
  switch (text.charAt(0)) {
    case "~":
      return nameRule("key", text.slice(1), READ_AND_WRITE);
    case "%":
      return rightsRule(text);
    case "&":
      return hasSpaces(text) ? SYNTAX_FAULT : { kind: "channel", pattern: text.slice(1) };
    case "+":
    case "-":
      return commandRule(text);
    default:
      return SYNTAX_FAULT;
  }
}

/** Whether the text begins as one of the rules about files: `%F~p`, `%RF~p`, … */
export function isFileRule(text: string): boolean {
  return /^%[rw]*f/i.test(text);
}

/** `%R~p`, `%W~p`, `%RW~p`, and the same with `F` for files, where `%F~p` means `%FRW~p`. */
function rightsRule(text: string): SelectorRule | RuleFault {
  const end = text.indexOf("~");
  // Redis takes the letters alone as a rule with the empty pattern.
  const letters = asciiLower(text.slice(1, end < 0 ? undefined : end));
  const isUnique = new Set(letters).size === letters.length;
  if (!/^[rwf]+$/.test(letters) || !isUnique) return SYNTAX_FAULT;
  const rights = (letters.includes("r") ? READ : 0) | (letters.includes("w") ? WRITE : 0);
  const pattern = end < 0 ? "" : text.slice(end + 1);
  if (!letters.includes("f")) return nameRule("key", pattern, rights as Rights);
  return nameRule("file", pattern, rights === 0 ? READ_AND_WRITE : rights as Rights);
}

function nameRule(
  kind: "key" | "file",
  pattern: string,
  rights: Rights,
): SelectorRule | RuleFault {
  return hasSpaces(pattern) ? SYNTAX_FAULT : { kind, pattern, rights };
}

/**
 * Redis takes white space in a first argument, and then shows the rule as if it were several. Here
 * it is refused. No command has white space in its name.
 */
function commandRule(text: string): SelectorRule | RuleFault {
  const at = text.lastIndexOf("|");
  if (hasSpaces(at < 0 ? text : text.slice(0, at))) return UNKNOWN_FAULT;
  if (hasSpaces(text)) return SYNTAX_FAULT;
  return { kind: "command", isAllowed: text.startsWith("+"), name: asciiLower(text.slice(1)) };
}

const WORD_OF: Readonly<Partial<Record<Rule["kind"], string>>> = {
  "all-keys": "~*",
  "reset-keys": "resetkeys",
  "all-files": "%F~*",
  "reset-files": "resetfiles",
  "all-channels": "&*",
  "reset-channels": "resetchannels",
  "all-commands": "+@all",
  "no-commands": "-@all",
};

/** The one text of a rule, which `parseRule` reads as the same rule. */
export function formatRule(rule: Rule): string {
  switch (rule.kind) {
    case "command":
      return `${rule.isAllowed ? "+" : "-"}${rule.name}`;
    case "key":
    case "file":
      return formatNamePattern(rule.kind, rule);
    case "channel":
      return `&${rule.pattern}`;
    case "add-password":
    case "add-verifier":
      return `#${"digest" in rule ? rule.digest : rule.verifier}`;
    case "remove-password":
    case "remove-verifier":
      return `!${"digest" in rule ? rule.digest : rule.verifier}`;
    case "selector":
      return formatSelector(rule.rules.map(formatRule));
    default:
      return WORD_OF[rule.kind] ?? rule.kind;
  }
}

/** A selector with the rules of these texts. */
export function formatSelector(rules: readonly string[]): string {
  return `(${rules.map(quotedWord).join(" ")})`;
}

/**
 * A pattern as a rule. Both rights to the pattern `*` are not the same as all keys, which is the
 * rule `~*`: nothing may be added to that.
 */
export function formatNamePattern(
  kind: "key" | "file",
  { pattern, rights }: NamePattern,
): string {
  const letters = (rights & READ ? "R" : "") + (rights & WRITE ? "W" : "");
  const isAmbiguous = pattern === "*" && rights === READ_AND_WRITE;
  if (kind === "key") {
    return rights === READ_AND_WRITE && !isAmbiguous ? `~${pattern}` : `%${letters}~${pattern}`;
  }
  return rights === READ_AND_WRITE && !isAmbiguous ? `%F~${pattern}` : `%F${letters}~${pattern}`;
}
