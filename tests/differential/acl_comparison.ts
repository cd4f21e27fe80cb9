import { type Random, randomInteger } from "../../src/base/random.ts";
import { encodeReply } from "../../src/resp/encode.ts";
import { ErrorReply, type Reply, SimpleString } from "../../src/resp/reply.ts";
import { decodeReply } from "../../src/resp/reply_scanner.ts";
import { quotedRule } from "../../src/security/acl_error.ts";
import {
  AclError,
  type AclRequest,
  applyRules,
  check,
  type CommandCatalog,
  decodeUser,
  type Denial,
  dryRunText,
  encodeUser,
  getUserReply,
  listLine,
  permissionOf,
  rightsOfFlags,
  rulesOf,
  type User,
} from "../../src/security/mod.ts";
import { changedUser, digestOf } from "../support/acl_user.ts";
import type { RawRespClient } from "../support/raw_resp_client.ts";
import { AclRuleGenerator } from "./acl_rule_generator.ts";
import { arrayOf, type RedisCommand, textOf } from "./redis_catalog.ts";

/** What one side says about the same. */
export interface AclDifference {
  readonly about: string;
  readonly steps: readonly (readonly string[])[];
  readonly expected: unknown;
  readonly actual: unknown;
}

const NO_PASSWORD = "The password you are trying to remove from the user does not exist";
const ARGUMENTS = ["a1", "b2", "c", "key:1", "user:1", "user:3", "abc", "0", "1", "px", "*", "a*"];
const DRY_RUNS = 6;
/** Without commands at the beginning, hardly any request would be denied because of its keys. */
const BEGINNINGS = [[], ["+@all"], ["+@all", "~a*"], ["(+@all %R~b* &a*)", "+@read"]];

/** The channels of a request, by the command's name, and whether they are patterns. */
const CHANNELS: Readonly<Record<string, { isPattern: boolean; isOne: boolean }>> = {
  publish: { isPattern: false, isOne: true },
  spublish: { isPattern: false, isOne: true },
  subscribe: { isPattern: false, isOne: false },
  ssubscribe: { isPattern: false, isOne: false },
  psubscribe: { isPattern: true, isOne: false },
};

/** Gives the same rules to a user of a real Redis and to one of Regent, and compares them. */
export class AclComparison {
  readonly #redis: RawRespClient;
  readonly #catalog: CommandCatalog;
  readonly #commands: readonly RedisCommand[];
  readonly #random: Random;
  readonly #generator: AclRuleGenerator;
  /** How often a rule was taken and a request denied, and why, to show that it is no idle test. */
  readonly counts = { changed: 0, refused: 0, allowed: 0, command: 0, key: 0, channel: 0 };

  constructor(
    redis: RawRespClient,
    { catalog, commands }: { catalog: CommandCatalog; commands: readonly RedisCommand[] },
    random: Random,
  ) {
    this.#redis = redis;
    this.#catalog = catalog;
    this.#commands = commands.flatMap((one) => [one, ...one.subcommands]);
    this.#random = random;
    this.#generator = new AclRuleGenerator(random, catalog);
  }

  /** Changes a new user some times. Returns the first difference. */
  async sequence(changes: number): Promise<AclDifference | null> {
    await this.#redis.send(["ACL", "DELUSER", "u"]);
    const steps: string[][] = [];
    let user: User | null = null;
    for (let change = 0; change < changes; change++) {
      const first = change === 0 ? this.#generator.oneOf(BEGINNINGS) : [];
      const rules = [...first, ...this.#generator.rules()];
      steps.push(rules);
      const [reply = ""] = await this.#redis.send(["ACL", "SETUSER", "u", ...rules]);
      const before: User | null = user;
      const result = outcomeOf(() => changedUser(this.#catalog, before, "u", rules));
      const error = errorOf(decodeReply(reply));
      if (error !== null || typeof result === "string") {
        this.counts.refused++;
        const actual = typeof result === "string" ? result : null;
        if (areSameErrors(error, actual, rules)) continue;
        return { about: "error", steps, expected: error, actual };
      }
      this.counts.changed++;
      user = result;
      const difference = await this.#compareUser(user) ?? await this.#compareVerdicts(user);
      if (difference !== null) return { ...difference, steps };
    }
    return null;
  }

  async #compareUser(user: User): Promise<Omit<AclDifference, "steps"> | null> {
    const decoded = decodeUser(JSON.parse(JSON.stringify(encodeUser(user))));
    if (decoded === null || listLine(decoded) !== listLine(user)) {
      return { about: "encoding", expected: user, actual: decoded };
    }
    // Redis reads what Regent shows, so that the sets of commands are compared.
    const shown = rulesOf(user).map(withDigest);
    const replies = await this.#redis.send(
      ["ACL", "GETUSER", "u"],
      ["ACL", "LIST"],
      ["ACL", "DELUSER", "v"],
      ["ACL", "SETUSER", "v", ...shown],
      ["ACL", "GETUSER", "v"],
    );
    const [getUser = null, list = null, , set = null, getSame = null] = replies.map(decodeReply);
    const expected = fieldsOf(getUser);
    if (!(set instanceof SimpleString)) return { about: "own rules", expected: shown, actual: set };
    const same = fieldsOf(getSame);
    if (!areEqual(expected, same)) return { about: "meaning of rules", expected, actual: same };
    const actual = fieldsOf(decodeReply(encodeReply(getUserReply(user), 2)));
    const withoutCommands = (fields: Fields) =>
      JSON.stringify(fields, (name, value) => name === "commands" ? "" : value);
    if (withoutCommands(expected) !== withoutCommands(actual)) {
      return { about: "ACL GETUSER", expected, actual };
    }
    const line = arrayOf(list).map(textOf).find((one) => one.startsWith("user u ")) ?? "";
    const own = ["user", "u", ...shown].join(" ");
    if (withoutRules(line) !== withoutRules(own)) {
      return { about: "ACL LIST", expected: line, actual: own };
    }
    return this.#compareSets(user, getUser);
  }

  /** Regent reads the rules that Redis shows, and allows the same commands. */
  #compareSets(user: User, getUser: Reply): Omit<AclDifference, "steps"> | null {
    const all = this.#commands.map(({ name }) => name);
    const setsOf = (one: User) =>
      permissionOf(this.#catalog, one).selectors.map(({ commands, firstArguments }) => ({
        commands: [...commands ?? all].sort(),
        firstArguments: [...firstArguments].filter(([name]) => !commands?.has(name))
          .map(([name, words]) => `${name}|${[...words].sort()}`).sort(),
      }));
    const expected = commandRulesOf(getUser)
      .flatMap((rules) => setsOf(applyRules(null, "u", rules)));
    const actual = setsOf(user);
    return areEqual(expected, actual) ? null : { about: "sets of commands", expected, actual };
  }

  async #compareVerdicts(user: User): Promise<Omit<AclDifference, "steps"> | null> {
    const permission = permissionOf(this.#catalog, user);
    const requests = Array.from({ length: DRY_RUNS }, () => this.#request());
    const replies = (await this.#redis.send(...requests.flatMap(({ args }) => [
      ["ACL", "DRYRUN", "u", ...args],
      ["COMMAND", "GETKEYSANDFLAGS", ...args],
    ]))).map(decodeReply);
    for (const [at, { command, args }] of requests.entries()) {
      const [verdict = null, keys = null] = replies.slice(2 * at);
      const denial = check(permission, aclRequest(command, args, keys));
      const actual = denial === null ? "OK" : dryRunText(denial);
      this.counts[denial === null ? "allowed" : kindOf(denial)]++;
      const expected = verdict instanceof ErrorReply ? verdict.text : textOf(verdict);
      if (expected !== actual) return { about: `DRYRUN ${args.join(" ")}`, expected, actual };
    }
    return null;
  }

  #request(): { command: RedisCommand; args: readonly string[] } {
    const runnable = this.#commands.filter(({ subcommands, name }) =>
      subcommands.length === 0 || name === "command"
    );
    const choice = this.#random();
    const command = this.#generator.oneOf(
      runnable.filter(({ name, hasKeys }) =>
        choice < 0.3 || (choice < 0.4 ? name in CHANNELS : hasKeys)
      ),
    );
    const words = command.name.split("|");
    if (command.subcommands.length > 0) return { command, args: words };
    const count = Math.abs(command.arity) - words.length +
      (command.arity < 0 ? randomInteger(this.#random, 3) : 0);
    const rest = Array.from({ length: count }, () => this.#generator.oneOf(ARGUMENTS));
    return { command, args: [...words, ...rest] };
  }
}

function aclRequest({ name }: RedisCommand, args: readonly string[], keys: Reply): AclRequest {
  const channels = CHANNELS[name];
  const names = channels === undefined ? [] : args.slice(1, channels.isOne ? 2 : undefined);
  return {
    command: name,
    firstArgument: args[1],
    keys: keys instanceof ErrorReply ? [] : arrayOf(keys).map((pair) => {
      const [key = null, flags = null] = arrayOf(pair);
      return { name: textOf(key), rights: rightsOfFlags(arrayOf(flags).map(textOf).join(" ")) };
    }),
    files: [],
    channels: names.map((channel) => ({
      name: channel,
      isPattern: channels?.isPattern === true,
    })),
  };
}

function kindOf({ kind }: Denial): "command" | "key" | "channel" {
  if (kind === "file" || kind === "cost") throw new Error(`Cannot be denied because of a ${kind}`);
  return kind;
}

/** What it returns, or the text of its refusal. */
function outcomeOf(change: () => User): User | string {
  try {
    return change();
  } catch (error) {
    if (error instanceof AclError) return error.text;
    throw error;
  }
}

function errorOf(reply: Reply): string | null {
  return reply instanceof ErrorReply ? reply.text : null;
}

/**
 * Regent does not repeat passwords, repeats at most 128 bytes, and knows only after all other
 * errors that a password is not there.
 */
function areSameErrors(expected: string | null, actual: string | null, rules: readonly string[]) {
  if (expected === null || actual === null) return false;
  const shorter = (text: string) =>
    text.replace(/'(.*)': /s, (_all, rule: string) => `'${quotedRule(rule)}': `);
  if (shorter(expected) === actual) return true;
  return expected.endsWith(NO_PASSWORD) && rules.some((rule) => /^[<!]/.test(rule));
}

/** The rule, with the digest in place of a verifier. */
function withDigest(rule: string): string {
  return rule.startsWith("#") ? `#${digestOf(rule.slice(1))}` : rule;
}

type Fields = Readonly<Record<string, unknown>>;

/** The fields of `ACL GETUSER`, in forms that can be compared. */
function fieldsOf(reply: Reply): Fields {
  const items = arrayOf(reply);
  const fields: Record<string, unknown> = {};
  for (let at = 0; at < items.length; at += 2) {
    const name = textOf(items[at] ?? null);
    const value = items[at + 1] ?? null;
    if (name === "files") continue;
    if (name === "selectors") fields[name] = arrayOf(value).map(fieldsOf);
    else if (name === "passwords") {
      fields[name] = arrayOf(value).map(textOf).map((one) => digestOf(one) || one);
    } else if (name === "commands") fields[name] = textOf(value).toLowerCase().split(" ").sort();
    else if (name === "flags") fields[name] = arrayOf(value).map(textOf);
    else fields[name] = textOf(value).replace(/%RW~\*( |$)/g, "~*$1");
  }
  return fields;
}

/** The rules for commands of the root permissions and of each selector. */
function commandRulesOf(getUser: Reply): readonly (readonly string[])[] {
  const items = arrayOf(getUser);
  const at = (name: string) => items[items.indexOf(name) + 1] ?? null;
  const selectors = items.includes("selectors") ? arrayOf(at("selectors")) : [];
  return [textOf(at("commands")).split(" "), ...selectors.flatMap(commandRulesOf)];
}

/** A line of `ACL LIST` without rules for commands, which Redis 7.0 guesses. */
function withoutRules(line: string): string {
  return line.replace(/ [+-][^@][^ )]*/g, "").replace(/ [+-]@(?!all)[^ )]*/g, "")
    .replace(/%RW~\*(?= )/g, "~*");
}

function areEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
