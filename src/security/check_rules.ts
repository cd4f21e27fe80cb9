import { assert } from "../base/errors.ts";
import { AclError, quotedRule } from "./acl_error.ts";
import { applyRule, applySelectorRule } from "./apply_rules.ts";
import type { CommandCatalog } from "./catalog.ts";
import { rulesOf } from "./describe.ts";
import {
  COMMAND_RULES_MAX,
  NAME_PATTERN_BYTES_MAX,
  PASSWORDS_MAX,
  PATTERNS_MAX,
  RULES_BYTES_MAX,
  RULES_MAX,
  SELECTORS_MAX,
  USER_BYTES_MAX,
  USER_NAME_BYTES_MAX,
} from "./limits.ts";
import {
  formatRule,
  isFileRule,
  parseRule,
  parseSelectorRule,
  type Rule,
  type RuleFault,
  type SelectorRule,
  SYNTAX_FAULT,
  UNKNOWN_FAULT,
  wordsOfSelector,
} from "./rule.ts";
import { EMPTY_SELECTOR, newUser, type Selector, sizeOf, type User } from "./user.ts";
import type { Verifier } from "./verifier.ts";
import { hasSpaces } from "./words.ts";

/** A password that rules mention, by its digest (`passwordDigest`). */
export interface PasswordNeed {
  readonly digest: string;
  /** Whether the user gets it, so that it needs a new verifier unless one matches. */
  readonly isAdded: boolean;
}

/** Rules that may be applied once their passwords have become verifiers (`finishRules`). */
export interface CheckedRules {
  readonly rules: readonly Rule[];
  /** Each digest once. */
  readonly passwords: readonly PasswordNeed[];
}

const FIRST_ARGUMENT_FAULT = "Allowing first-arg of a subcommand is not supported";
const NO_PASSWORD_FAULT = "The password you are trying to remove from the user does not exist";
const PATTERN_FAULT = `The pattern is too long, more than ${NAME_PATTERN_BYTES_MAX} bytes`;
const KEYS_FAULT = afterAll("allkeys", "resetkeys", "patterns");
const FILES_FAULT = afterAll("allfiles", "resetfiles", "patterns");
const CHANNELS_FAULT = afterAll("allchannels", "resetchannels", "channels");

/** Redis's error for a pattern that is added to all of them. */
function afterAll(flag: string, reset: string, what: string): RuleFault {
  return `Adding a pattern after the * pattern (or the '${flag}' flag) is not valid and does not ` +
    `have any effect. Try '${reset}' to start with an empty list of ${what}`;
}

/**
 * Checks the name of `ACL SETUSER` and of other ways to make a user.
 *
 * @throws {AclError} if no user may be called so
 */
export function checkUserName(name: string): void {
  if (hasSpaces(name)) {
    throw new AclError("ERR Usernames can't contain spaces or null characters");
  }
  if (name === "" || name.length > USER_NAME_BYTES_MAX) {
    throw new AclError(`ERR Usernames have 1 to ${USER_NAME_BYTES_MAX} bytes`);
  }
}

/**
 * Checks the rules of `ACL SETUSER` against the commands of this version and against the user,
 * applying one after the other, with Redis's errors. Nothing is changed.
 *
 * @param user the user as it is now; `null` if it is new
 * @param texts byte strings, as the client gave them
 * @throws {AclError} at the first rule that is wrong, or if a limit is exceeded
 */
export function checkRules(
  catalog: CommandCatalog,
  user: User | null,
  texts: readonly string[],
): CheckedRules {
  const bytes = texts.reduce((sum, { length }) => sum + length + 1, 0);
  if (texts.length > RULES_MAX || bytes > RULES_BYTES_MAX) throw TOO_MANY_RULES;
  const staged = new Staged(catalog, user ?? newUser(""));
  for (const text of mergedSelectors(texts)) {
    if (text === "") continue;
    const fault = staged.add(text);
    if (fault !== null) throw ruleError(text, fault);
  }
  checkLimits(staged.user);
  return { rules: staged.rules, passwords: passwordsOf(staged.rules) };
}

const TOO_MANY_RULES = new AclError(
  `ERR Too many rules, more than ${RULES_MAX} or ${RULES_BYTES_MAX} bytes at once`,
);

function ruleError(text: string, fault: RuleFault): AclError {
  return new AclError(`ERR Error in ACL SETUSER modifier '${quotedRule(text)}': ${fault}`);
}

/** Joins the arguments of a selector that was not given as one argument. */
function mergedSelectors(texts: readonly string[]): string[] {
  const merged: string[] = [];
  let open: string[] = [];
  for (const text of texts) {
    const isOpening = text.startsWith("(") && !text.endsWith(")");
    // Redis drops what came before the second parenthesis.
    if (isOpening && open.length > 0) break;
    if (!isOpening && open.length === 0) {
      merged.push(text);
      continue;
    }
    open.push(text);
    if (!text.endsWith(")")) continue;
    merged.push(open.join(" "));
    open = [];
  }
  const [first] = open;
  if (first === undefined) return merged;
  throw new AclError(
    `ERR Unmatched parenthesis in acl selector starting at '${quotedRule(first)}'.`,
  );
}

/** A user to whom rules are applied while they are checked. */
class Staged {
  readonly rules: Rule[] = [];
  user: User;
  readonly #catalog: CommandCatalog;
  #count = 0;

  constructor(catalog: CommandCatalog, user: User) {
    this.#catalog = catalog;
    this.user = user;
  }

  /** Applies a rule. Returns why it cannot be. */
  add(text: string): RuleFault | null {
    if (text.startsWith("(")) return this.#addSelector(text);
    this.#countRule();
    const rule = parseRule(text);
    const fault = selectorFault(this.#catalog, this.user.root, text, rule) ??
      this.#passwordFault(rule);
    if (fault !== null) return fault;
    assert(typeof rule !== "string", "A fault was not noticed");
    this.#apply(rule);
    return null;
  }

  /** The rules within parentheses begin with an empty selector. */
  #addSelector(text: string): RuleFault | null {
    const words = wordsOfSelector(text);
    if (words === null) return SYNTAX_FAULT;
    const rules: SelectorRule[] = [];
    let selector = EMPTY_SELECTOR;
    for (const word of words) {
      this.#countRule();
      const rule = parseSelectorRule(word);
      const fault = selectorFault(this.#catalog, selector, word, rule);
      if (fault !== null) return fault;
      assert(typeof rule !== "string", "A fault was not noticed");
      selector = applySelectorRule(selector, rule);
      rules.push(rule);
    }
    this.#apply({ kind: "selector", rules });
    return null;
  }

  #apply(rule: Rule): void {
    this.rules.push(rule);
    this.user = applyRule(
      this.user,
      rule.kind === "add-password" || rule.kind === "remove-password"
        ? {
          kind: rule.kind === "add-password" ? "add-verifier" : "remove-verifier",
          verifier: standIn(rule.digest),
        }
        : rule,
    );
  }

  /** A removal by digest may turn out to be wrong later, when verifiers are compared with it. */
  #passwordFault(rule: Rule | RuleFault): RuleFault | null {
    if (typeof rule === "string") return null;
    const { verifiers } = this.user;
    if (rule.kind === "remove-verifier") {
      return verifiers.includes(rule.verifier) ? null : NO_PASSWORD_FAULT;
    }
    if (rule.kind !== "remove-password") return null;
    const mayExist = verifiers.some((verifier) =>
      verifier === standIn(rule.digest) || !verifier.startsWith(STAND_IN)
    );
    return mayExist ? null : NO_PASSWORD_FAULT;
  }

  #countRule(): void {
    if (++this.#count > RULES_MAX) throw TOO_MANY_RULES;
  }
}

const STAND_IN = "digest:";

/** What stands for the verifier of a password before that is computed. */
function standIn(digest: string): Verifier {
  return STAND_IN + digest;
}

/** Why a rule cannot be applied to a selector, in Redis's order of checks. */
function selectorFault(
  catalog: CommandCatalog,
  { keys, files, channels }: Selector,
  text: string,
  rule: SelectorRule | Rule | RuleFault,
): RuleFault | null {
  const isAll = typeof rule !== "string" && rule.kind.startsWith("all-");
  if (!isAll && isFileRule(text)) {
    if (files.isAll) return FILES_FAULT;
  } else if (!isAll && /^[~%]/.test(text)) {
    if (keys.isAll) return KEYS_FAULT;
  } else if (!isAll && text.startsWith("&")) {
    if (channels.isAll) return CHANNELS_FAULT;
  }
  if (typeof rule === "string") return rule;
  if ("pattern" in rule && rule.pattern.length > NAME_PATTERN_BYTES_MAX) return PATTERN_FAULT;
  return rule.kind === "command" ? commandFault(catalog, rule) : null;
}

function commandFault(
  catalog: CommandCatalog,
  { isAllowed, name }: { readonly isAllowed: boolean; readonly name: string },
): RuleFault | null {
  if (name.startsWith("@")) {
    return catalog.categories.includes(name.slice(1)) ? null : UNKNOWN_FAULT;
  }
  const at = name.lastIndexOf("|");
  if (!isAllowed || at < 0) return catalog.find(name) === undefined ? UNKNOWN_FAULT : null;
  const container = catalog.find(name.slice(0, at));
  if (container === undefined) return UNKNOWN_FAULT;
  if (container.name.includes("|")) return FIRST_ARGUMENT_FAULT;
  if (at === name.length - 1) return SYNTAX_FAULT;
  const isFirstArgument = container.subcommands.length === 0;
  return isFirstArgument || catalog.find(name) !== undefined ? null : UNKNOWN_FAULT;
}

function checkLimits(user: User): void {
  const { selectors, patterns, commandRules } = sizeOf(user);
  const bytes = rulesOf(user).reduce((sum, { length }) => sum + length, 0);
  refuseAbove(user.verifiers.length, PASSWORDS_MAX, "passwords");
  refuseAbove(selectors, SELECTORS_MAX, "selectors");
  refuseAbove(patterns, PATTERNS_MAX, "patterns");
  refuseAbove(commandRules, COMMAND_RULES_MAX, "command rules");
  refuseAbove(bytes, USER_BYTES_MAX, "bytes of rules");
}

function refuseAbove(count: number, max: number, what: string): void {
  if (count > max) throw new AclError(`ERR The user would have too many ${what}, more than ${max}`);
}

function passwordsOf(rules: readonly Rule[]): readonly PasswordNeed[] {
  const isAddedOf = new Map<string, boolean>();
  for (const rule of rules) {
    if (!("digest" in rule)) continue;
    const { kind, digest } = rule;
    isAddedOf.set(digest, kind === "add-password" || isAddedOf.get(digest) === true);
  }
  refuseAbove(isAddedOf.size, 2 * PASSWORDS_MAX, "passwords in one request");
  return [...isAddedOf].map(([digest, isAdded]) => ({ digest, isAdded }));
}

/**
 * The texts of checked rules, to be replicated and applied by `applyRules`. They hold no password
 * and no digest of one.
 *
 * @param user as given to `checkRules`
 * @param verifiers for each of `passwords`: those of the user's verifiers that match it, or if
 * there is none and the password is added, a new one
 * @throws {AclError} if a password is to be removed that the user does not have
 */
export function finishRules(
  user: User | null,
  { rules }: CheckedRules,
  verifiers: ReadonlyMap<string, readonly Verifier[]>,
): readonly string[] {
  let staged = user ?? newUser("");
  const finished: string[] = [];
  for (const rule of rules) {
    for (const one of "digest" in rule ? withVerifiers(staged, rule, verifiers) : [rule]) {
      staged = applyRule(staged, one);
      finished.push(formatRule(one));
    }
  }
  return finished;
}

function withVerifiers(
  user: User,
  { kind, digest }: Rule & { readonly digest: string },
  verifiers: ReadonlyMap<string, readonly Verifier[]>,
): readonly Rule[] {
  const matching = verifiers.get(digest) ?? [];
  const present = matching.filter((verifier) => user.verifiers.includes(verifier));
  if (kind === "add-password") {
    const verifier = present[0] ?? matching[0];
    assert(verifier !== undefined, "A password that is added has no verifier");
    return [{ kind: "add-verifier", verifier }];
  }
  if (present.length === 0) throw ruleError("<", NO_PASSWORD_FAULT);
  return present.map((verifier) => ({ kind: "remove-verifier", verifier }));
}
