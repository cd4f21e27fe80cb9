import type { Verifier } from "./verifier.ts";

/** What may be done with a name: bit 1 is reading, bit 2 is writing. */
export type Rights = 0 | 1 | 2 | 3;
export const NO_RIGHTS: Rights = 0;
export const READ: Rights = 1;
export const WRITE: Rights = 2;
export const READ_AND_WRITE: Rights = 3;

/** A glob pattern (`Glob`) of keys or files, and what it allows: `~p`, `%R~p`, `%W~p`, `%F~p`. */
export interface NamePattern {
  readonly pattern: string;
  readonly rights: Rights;
}

/** The names that may be used. */
export interface NameRules {
  /** All of them for everything, even the empty name: `allkeys`, `allfiles`. No patterns then. */
  readonly isAll: boolean;
  /** In the order in which they were added. No pattern occurs twice. */
  readonly patterns: readonly NamePattern[];
}

/** The channels that may be used. */
export interface ChannelRules {
  /** All of them: `allchannels`. No patterns then. */
  readonly isAll: boolean;
  readonly patterns: readonly string[];
}

/** The commands that may be used: either all or none, changed by rules in their order. */
export interface CommandRules {
  readonly startsWithAll: boolean;
  /**
   * `+get`, `-@read`, `+config|get`, `+select|0` (only with that first argument), in lower case.
   * What a later rule decides again is not kept. An unknown name has no effect.
   */
  readonly rules: readonly string[];
}

/** Permissions that count together: one selector has to allow the whole of a request. */
export interface Selector {
  readonly commands: CommandRules;
  readonly keys: NameRules;
  readonly files: NameRules;
  readonly channels: ChannelRules;
}

/** A user, as replicated. Never changes: a change makes a new object. */
export interface User {
  /** Without white space and zero bytes. */
  readonly name: string;
  /** Whether one may log in as this user. */
  readonly isEnabled: boolean;
  /** Whether every password is right (`nopass`). No verifiers then. */
  readonly needsNoPassword: boolean;
  /** As set by `sanitize-payload` and `skip-sanitize-payload`, which only `ACL LIST` shows. */
  readonly sanitizing: "sanitize" | "skip" | null;
  readonly verifiers: readonly Verifier[];
  /** The permissions outside parentheses. */
  readonly root: Selector;
  /** Those within parentheses. */
  readonly selectors: readonly Selector[];
}

/** The user as whom a connection begins. It exists always, and cannot be deleted. */
export const DEFAULT_USER_NAME = "default";

const NO_NAMES: NameRules = { isAll: false, patterns: [] };
const ALL_NAMES: NameRules = { isAll: true, patterns: [] };

/** A selector that allows nothing. */
export const EMPTY_SELECTOR: Selector = {
  commands: { startsWithAll: false, rules: [] },
  keys: NO_NAMES,
  files: NO_NAMES,
  channels: { isAll: false, patterns: [] },
};

/** A new user, who may neither log in nor do anything. */
export function newUser(name: string): User {
  return {
    name,
    isEnabled: false,
    needsNoPassword: false,
    sanitizing: null,
    verifiers: [],
    root: EMPTY_SELECTOR,
    selectors: [],
  };
}

/** The default user of a new cluster, who may do everything without a password, as in Redis. */
export const DEFAULT_USER: User = {
  ...newUser(DEFAULT_USER_NAME),
  isEnabled: true,
  needsNoPassword: true,
  root: {
    commands: { startsWithAll: true, rules: [] },
    keys: ALL_NAMES,
    files: ALL_NAMES,
    channels: { isAll: true, patterns: [] },
  },
};

/** How large a user is. */
export interface UserSize {
  readonly selectors: number;
  readonly patterns: number;
  readonly commandRules: number;
  /** Number of all of these, and of passwords. */
  readonly items: number;
  /** Length of their texts. */
  readonly bytes: number;
}

export function sizeOf({ verifiers, root, selectors }: User): UserSize {
  let patterns = 0;
  let commandRules = 0;
  let bytes = 0;
  for (const { commands, keys, files, channels } of [root, ...selectors]) {
    const texts = [...keys.patterns, ...files.patterns].map(({ pattern }) => pattern)
      .concat(channels.patterns);
    patterns += texts.length;
    commandRules += commands.rules.length;
    for (const text of texts) bytes += text.length;
    for (const rule of commands.rules) bytes += rule.length;
  }
  for (const verifier of verifiers) bytes += verifier.length;
  const items = selectors.length + patterns + commandRules + verifiers.length;
  return { selectors: selectors.length, patterns, commandRules, items, bytes };
}
