import { MapReply, type Reply, SetReply } from "../resp/reply.ts";
import { formatNamePattern, formatSelector } from "./rule.ts";
import type { ChannelRules, CommandRules, NameRules, Selector, User } from "./user.ts";

/**
 * A user as rules: `applyRules(null, user.name, rulesOf(user))` is equal to the user. There is one
 * such list for each user.
 */
export function rulesOf(user: User): readonly string[] {
  return [
    ...flagsOf(user),
    ...user.verifiers.map((verifier) => `#${verifier}`),
    ...selectorRules(user.root),
    ...user.selectors.map((selector) => formatSelector(selectorRules(selector))),
  ];
}

/** A user's line in `ACL LIST`. */
export function listLine(user: User): string {
  return ["user", user.name, ...rulesOf(user)].join(" ");
}

/** The reply to `ACL GETUSER`: Redis's fields, and `files`. */
export function getUserReply(user: User): Reply {
  return new MapReply([
    ["flags", new SetReply(flagsOf(user))],
    ["passwords", user.verifiers],
    ...selectorFields(user.root),
    ["selectors", user.selectors.map((selector) => new MapReply(selectorFields(selector)))],
  ]);
}

function selectorFields({ commands, keys, files, channels }: Selector): [Reply, Reply][] {
  return [
    ["commands", commandRules(commands).join(" ")],
    ["keys", nameRules("key", keys).join(" ")],
    ["channels", channelRules(channels).join(" ")],
    ["files", nameRules("file", files).join(" ")],
  ];
}

function flagsOf({ isEnabled, needsNoPassword, sanitizing }: User): readonly string[] {
  const flags = [isEnabled ? "on" : "off"];
  if (needsNoPassword) flags.push("nopass");
  if (sanitizing !== null) {
    flags.push(sanitizing === "skip" ? "skip-sanitize-payload" : "sanitize-payload");
  }
  return flags;
}

function selectorRules({ commands, keys, files, channels }: Selector): readonly string[] {
  return [
    ...nameRules("key", keys),
    ...nameRules("file", files),
    ...channels.isAll ? [] : ["resetchannels"],
    ...channelRules(channels),
    ...commandRules(commands),
  ];
}

function commandRules({ startsWithAll, rules }: CommandRules): readonly string[] {
  return [startsWithAll ? "+@all" : "-@all", ...rules];
}

function nameRules(kind: "key" | "file", { isAll, patterns }: NameRules): readonly string[] {
  if (isAll) return [kind === "key" ? "~*" : "%F~*"];
  return patterns.map((pattern) => formatNamePattern(kind, pattern));
}

function channelRules({ isAll, patterns }: ChannelRules): readonly string[] {
  return isAll ? ["&*"] : patterns.map((pattern) => `&${pattern}`);
}
