import { assertNever } from "../base/errors.ts";
import { AclError, quotedRule } from "./acl_error.ts";
import { APPLIED_BYTES_MAX, APPLIED_ITEMS_MAX } from "./limits.ts";
import { parseRule, type Rule, type SelectorRule, SYNTAX_FAULT } from "./rule.ts";
import {
  type ChannelRules,
  type CommandRules,
  EMPTY_SELECTOR,
  type NamePattern,
  type NameRules,
  newUser,
  type Rights,
  type Selector,
  sizeOf,
  type User,
} from "./user.ts";

/**
 * Applies rules that were checked (`finishRules`) to a user, or to a new one of that name. It needs
 * no catalog and takes every checked rule, whatever the user is by now: a pattern beside the rule
 * for all of them has no effect, as has the removal of a password that is not there. So all nodes
 * and versions compute the same. A later version must not change what a rule does here.
 *
 * @param user `null` if it is new
 * @param rules the texts that `finishRules` returned
 * @throws {AclError} if a text is no checked rule, or if many requests at the same time make a user
 * far larger than one may be (`APPLIED_ITEMS_MAX`); every node refuses it alike
 */
export function applyRules(user: User | null, name: string, rules: readonly string[]): User {
  const after = rules.map(parseChecked).reduce(applyRule, user ?? newUser(name));
  const { items, bytes } = sizeOf(after);
  if (items > APPLIED_ITEMS_MAX || bytes > APPLIED_BYTES_MAX) throw TOO_LARGE;
  return after;
}

const TOO_LARGE = new AclError("ERR The user has too many rules, other requests added some too");

function parseChecked(text: string): Rule {
  const rule = text === "" ? SYNTAX_FAULT : parseRule(text);
  if (typeof rule === "string" || "digest" in rule) {
    throw new AclError(`ERR Unknown rule '${quotedRule(text)}' of a user`);
  }
  return rule;
}

/** The user after a rule. A password by its digest must have become a verifier before. */
export function applyRule(user: User, rule: Rule): User {
  switch (rule.kind) {
    case "on":
    case "off":
      return { ...user, isEnabled: rule.kind === "on" };
    case "sanitize-payload":
      return { ...user, sanitizing: "sanitize" };
    case "skip-sanitize-payload":
      return { ...user, sanitizing: "skip" };
    case "nopass":
    case "resetpass":
      return { ...user, needsNoPassword: rule.kind === "nopass", verifiers: [] };
    case "add-verifier":
      return {
        ...user,
        needsNoPassword: false,
        verifiers: withOnce(user.verifiers, rule.verifier),
      };
    case "remove-verifier":
      return { ...user, verifiers: user.verifiers.filter((one) => one !== rule.verifier) };
    case "add-password":
    case "remove-password":
      throw new AclError("ERR The password of a rule was not hashed");
    case "selector":
      return {
        ...user,
        selectors: [...user.selectors, rule.rules.reduce(applySelectorRule, EMPTY_SELECTOR)],
      };
    case "clearselectors":
      return { ...user, selectors: [] };
    case "reset":
      return { ...newUser(user.name), sanitizing: "sanitize" };
    default:
      return { ...user, root: applySelectorRule(user.root, rule) };
  }
}

/** The permissions after a rule. */
export function applySelectorRule(selector: Selector, rule: SelectorRule): Selector {
  switch (rule.kind) {
    case "all-keys":
    case "reset-keys":
      return { ...selector, keys: { isAll: rule.kind === "all-keys", patterns: [] } };
    case "all-files":
    case "reset-files":
      return { ...selector, files: { isAll: rule.kind === "all-files", patterns: [] } };
    case "all-channels":
    case "reset-channels":
      return { ...selector, channels: { isAll: rule.kind === "all-channels", patterns: [] } };
    case "all-commands":
    case "no-commands":
      return {
        ...selector,
        commands: { startsWithAll: rule.kind === "all-commands", rules: [] },
      };
    case "command":
      return { ...selector, commands: withCommand(selector.commands, rule) };
    case "key":
      return { ...selector, keys: withName(selector.keys, rule) };
    case "file":
      return { ...selector, files: withName(selector.files, rule) };
    case "channel":
      return { ...selector, channels: withChannel(selector.channels, rule.pattern) };
    default:
      return assertNever(rule);
  }
}

/**
 * The rules with one more at their end, without those that it decides again: the same command or
 * category, and a command's subcommands and first arguments (Redis 7.2 keeps them in this way).
 */
function withCommand(
  { startsWithAll, rules }: CommandRules,
  { isAllowed, name }: { readonly isAllowed: boolean; readonly name: string },
): CommandRules {
  const others = rules.filter((rule) => {
    const existing = rule.slice(1);
    return existing !== name && !existing.startsWith(`${name}|`);
  });
  return { startsWithAll, rules: [...others, `${isAllowed ? "+" : "-"}${name}`] };
}

function withName(names: NameRules, { pattern, rights }: NamePattern): NameRules {
  if (names.isAll) return names;
  const at = names.patterns.findIndex((one) => one.pattern === pattern);
  const before = names.patterns[at];
  if (before === undefined) {
    return { isAll: false, patterns: [...names.patterns, { pattern, rights }] };
  }
  const both = { pattern, rights: (before.rights | rights) as Rights };
  return { isAll: false, patterns: names.patterns.with(at, both) };
}

function withChannel(channels: ChannelRules, pattern: string): ChannelRules {
  if (channels.isAll) return channels;
  return { isAll: false, patterns: withOnce(channels.patterns, pattern) };
}

function withOnce(texts: readonly string[], text: string): readonly string[] {
  return texts.includes(text) ? texts : [...texts, text];
}
