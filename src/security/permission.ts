import type { CatalogCommand, CommandCatalog } from "./catalog.ts";
import { MATCH_STEPS_MAX } from "./limits.ts";
import { NameMatcher, type StepBudget } from "./name_matcher.ts";
import {
  NO_RIGHTS,
  READ,
  READ_AND_WRITE,
  type Rights,
  type Selector,
  type User,
  WRITE,
} from "./user.ts";
import { asciiLower } from "./words.ts";

/** A key or file of a request, and what the command does with it (`rightsOfFlags`). */
export interface NameUse {
  readonly name: string;
  readonly rights: Rights;
  /** Whether all names that begin so are meant, as in a list of files. @default false */
  readonly isPrefix?: boolean;
}

/** A channel of a request. */
export interface ChannelUse {
  readonly name: string;
  /** Whether it is a pattern to subscribe to: the user needs exactly that pattern. */
  readonly isPattern: boolean;
}

/**
 * What a request does. The lists may be getters: each is read once, and only if it matters to the
 * user. A request within another (`ONCE`, `EXEC`, a script) is a request of its own.
 */
export interface AclRequest {
  /** The full name, `client|kill`, in lower case. */
  readonly command: string;
  /** The argument after the command's name; of no importance for subcommands. */
  readonly firstArgument: string | undefined;
  readonly keys: readonly NameUse[];
  readonly files: readonly NameUse[];
  /** Channels to publish and subscribe to. Those to unsubscribe from are not checked. */
  readonly channels: readonly ChannelUse[];
}

/** Why a request is refused; `object` is what `ACL LOG` shows. */
export interface Denial {
  /** `cost`: comparing the names with the user's patterns takes too long. */
  readonly kind: "command" | "key" | "file" | "channel" | "cost";
  /** The command's full name, or the key, file or channel. */
  readonly object: string;
}

/** What a user may do with the commands of one version. It is compiled by `permissionOf`. */
export interface Permission {
  /** Whether the user may do everything: then `check` allows every request at once. */
  readonly isUnlimited: boolean;
  /** The root permissions, and the selectors in their order. */
  readonly selectors: readonly CompiledSelector[];
}

interface CompiledSelector {
  /** The full names of the allowed commands; `null` if all are. */
  readonly commands: ReadonlySet<string> | null;
  /** For commands that are not allowed in general: the allowed first arguments in lower case. */
  readonly firstArguments: ReadonlyMap<string, ReadonlySet<string>>;
  readonly keys: NameMatcher;
  readonly files: NameMatcher;
  readonly channels: NameMatcher;
}

/** Compiles what a user may do. It takes about as long as a look at each command for each rule. */
export function permissionOf(catalog: CommandCatalog, { root, selectors }: User): Permission {
  const compiled = [root, ...selectors].map((selector) => compile(catalog, selector));
  const isUnlimited = compiled.some(({ commands, keys, files, channels }) =>
    commands === null && keys.isAll && files.isAll && channels.isAll
  );
  return { isUnlimited, selectors: compiled };
}

function compile(catalog: CommandCatalog, selector: Selector): CompiledSelector {
  const { keys, files, channels } = selector;
  return {
    ...compileCommands(catalog, selector),
    keys: new NameMatcher(keys.isAll, keys.patterns),
    files: new NameMatcher(files.isAll, files.patterns),
    channels: new NameMatcher(
      channels.isAll,
      channels.patterns.map((pattern) => ({ pattern, rights: NO_RIGHTS })),
    ),
  };
}

function compileCommands(
  catalog: CommandCatalog,
  { commands: { startsWithAll, rules } }: Selector,
): Pick<CompiledSelector, "commands" | "firstArguments"> {
  const allowed = new Set<string>();
  const firstArguments = new Map<string, Set<string>>();
  const set = ({ name, subcommands }: CatalogCommand, isAllowed: boolean): void => {
    firstArguments.delete(name);
    for (const one of [name, ...subcommands.map((subcommand) => subcommand.name)]) {
      if (isAllowed) allowed.add(one);
      else allowed.delete(one);
    }
  };
  if (startsWithAll && rules.length === 0) return { commands: null, firstArguments };
  if (startsWithAll) { for (const command of catalog.commands) set(command, true); }
  for (const rule of rules) {
    const isAllowed = rule.startsWith("+");
    const name = rule.slice(1);
    if (name.startsWith("@")) {
      for (const command of commandsIn(catalog, name.slice(1))) set(command, isAllowed);
      continue;
    }
    const command = catalog.find(name);
    if (command !== undefined) set(command, isAllowed);
    else if (isAllowed) addFirstArgument(catalog, firstArguments, name);
  }
  for (const command of catalog.commands) if (command.isAlwaysAllowed) set(command, true);
  return { commands: allowed, firstArguments };
}

/** The commands of a category. A container brings its subcommands, of whatever category. */
function commandsIn({ commands }: CommandCatalog, category: string): readonly CatalogCommand[] {
  return commands.flatMap((command) => [command, ...command.subcommands])
    .filter(({ categories }) => categories.includes(category));
}

/** Adds a rule such as `+select|0`. A rule about commands of another version has no effect. */
function addFirstArgument(
  catalog: CommandCatalog,
  firstArguments: Map<string, Set<string>>,
  rule: string,
): void {
  const at = rule.lastIndexOf("|");
  const command = at < 0 ? undefined : catalog.find(rule.slice(0, at));
  if (command === undefined || command.subcommands.length > 0 || command.name.includes("|")) return;
  const known = firstArguments.get(command.name) ?? new Set();
  firstArguments.set(command.name, known.add(rule.slice(at + 1)));
}

/**
 * Whether the user may make this request. The root permissions or one selector must allow all of
 * it: command, keys, files and channels.
 *
 * @returns `null` if so; otherwise what went wrong where most was allowed, as in Redis
 */
export function check(permission: Permission, request: AclRequest): Denial | null {
  if (permission.isUnlimited) return null;
  const budget: StepBudget = { stepsLeft: MATCH_STEPS_MAX };
  const uses = new Uses(request);
  let worst: Found = { rank: COMMAND_RANK, at: 0 };
  for (const selector of permission.selectors) {
    const found = denialBy(selector, uses, budget);
    if (found === null) return null;
    if (found.rank > worst.rank || (found.rank === worst.rank && found.at > worst.at)) {
      worst = found;
    }
  }
  return budget.stepsLeft <= 0 ? { kind: "cost", object: request.command } : uses.denialOf(worst);
}

/** Where a selector refuses: the rank of the kind of denial, and the index in that list. */
interface Found {
  readonly rank: number;
  readonly at: number;
}

const COMMAND_RANK = 0;
const KEY_RANK = 1;
const FILE_RANK = 2;
const CHANNEL_RANK = 3;

/** The lists of a request, each of which is read once. */
class Uses {
  readonly request: AclRequest;
  #keys: readonly NameUse[] | null = null;
  #files: readonly NameUse[] | null = null;
  #channels: readonly ChannelUse[] | null = null;

  constructor(request: AclRequest) {
    this.request = request;
  }

  get keys(): readonly NameUse[] {
    return this.#keys ??= this.request.keys;
  }

  get files(): readonly NameUse[] {
    return this.#files ??= this.request.files;
  }

  get channels(): readonly ChannelUse[] {
    return this.#channels ??= this.request.channels;
  }

  denialOf({ rank, at }: Found): Denial {
    switch (rank) {
      case KEY_RANK:
        return { kind: "key", object: this.keys[at]?.name ?? "" };
      case FILE_RANK:
        return { kind: "file", object: this.files[at]?.name ?? "" };
      case CHANNEL_RANK:
        return { kind: "channel", object: this.channels[at]?.name ?? "" };
      default:
        return { kind: "command", object: this.request.command };
    }
  }
}

function denialBy(selector: CompiledSelector, uses: Uses, budget: StepBudget): Found | null {
  if (!allowsCommand(selector, uses.request)) return { rank: COMMAND_RANK, at: 0 };
  const { keys, files, channels } = selector;
  const key = keys.isAll ? -1 : firstDenied(keys, uses.keys, budget);
  if (key >= 0) return { rank: KEY_RANK, at: key };
  const file = files.isAll ? -1 : firstDenied(files, uses.files, budget);
  if (file >= 0) return { rank: FILE_RANK, at: file };
  if (channels.isAll) return null;
  const channel = uses.channels.findIndex((use) => !allowsChannelBy(channels, use, budget));
  return channel < 0 ? null : { rank: CHANNEL_RANK, at: channel };
}

function firstDenied(matcher: NameMatcher, uses: readonly NameUse[], budget: StepBudget): number {
  return uses.findIndex(({ name, rights, isPrefix = false }) =>
    isPrefix ? !matcher.allowsPrefix(name, rights) : !matcher.allows(name, rights, budget)
  );
}

function allowsCommand(
  { commands, firstArguments }: CompiledSelector,
  { command, firstArgument }: AclRequest,
): boolean {
  if (commands === null || commands.has(command)) return true;
  if (firstArgument === undefined || firstArguments.size === 0) return false;
  return firstArguments.get(command)?.has(asciiLower(firstArgument)) ?? false;
}

function allowsChannelBy(
  channels: NameMatcher,
  { name, isPattern }: ChannelUse,
  budget: StepBudget,
): boolean {
  return isPattern ? channels.hasPattern(name) : channels.allows(name, NO_RIGHTS, budget);
}

/**
 * Whether any selector allows the channel, whatever it says about commands: after a change of the
 * user, a subscription for which this is false has to end.
 */
export function allowsChannel({ selectors }: Permission, use: ChannelUse): boolean {
  const budget: StepBudget = { stepsLeft: MATCH_STEPS_MAX };
  return selectors.some(({ channels }) => allowsChannelBy(channels, use, budget));
}

/**
 * Whether a selector allows the request and all keys with these rights, which options such as `BY`
 * and `GET` of `SORT` need: they read keys that nobody lists.
 */
export function allowsWithAllKeys(
  { isUnlimited, selectors }: Permission,
  request: AclRequest,
  rights: Rights,
): boolean {
  const budget: StepBudget = { stepsLeft: MATCH_STEPS_MAX };
  const uses = new Uses(request);
  return isUnlimited ||
    selectors.some((selector) =>
      selector.keys.allowsEverything(rights) && denialBy(selector, uses, budget) === null
    );
}

const RIGHTS_OF_FLAG: ReadonlyMap<string, Rights> = new Map([
  ["access", READ],
  ["update", WRITE],
  ["insert", WRITE],
  ["delete", WRITE],
]);

/**
 * The rights that a command needs to a key, from Redis's flags of key specifications, such as `RW
 * access update`. As in Redis only the second kind of flag counts: `EXISTS` (`RO`) needs no right,
 * but some pattern that matches.
 *
 * @param flags separated by spaces
 */
export function rightsOfFlags(flags: string): Rights {
  let rights: number = NO_RIGHTS;
  for (const flag of flags.split(" ")) rights |= RIGHTS_OF_FLAG.get(flag.toLowerCase()) ?? 0;
  return (rights & READ_AND_WRITE) as Rights;
}

/** The text of the error reply to a request that is denied. */
export function noPermission({ kind, object }: Denial): string {
  switch (kind) {
    case "command":
      return `NOPERM this user has no permissions to run the '${object}' command`;
    case "cost":
      return "NOPERM comparing the names in this request with this user's patterns takes too long";
    default:
      return `NOPERM this user has no permissions to access one of the ${kind}s used as arguments`;
  }
}

/** What `ACL DRYRUN` replies about a request that would be denied. */
export function dryRunText({ kind, object }: Denial): string {
  switch (kind) {
    case "command":
      return `This user has no permissions to run the '${object}' command`;
    case "cost":
      return "Comparing the names in this request with this user's patterns takes too long";
    default:
      return `This user has no permissions to access the '${object}' ${kind}`;
  }
}
