import { type Random, randomInteger } from "../../src/base/random.ts";
import { type CommandCatalog, passwordDigest } from "../../src/security/mod.ts";

const WORDS = [
  ..."on off nopass resetpass sanitize-payload skip-sanitize-payload clearselectors".split(" "),
  ..."allkeys resetkeys allchannels resetchannels allcommands nocommands ~* &* +@all -@all".split(
    " ",
  ),
];
const PATTERNS = [
  ..."a* b? c key:1 user:* user:[12] [^a]* a\\* *b* ** a*c b*c* \xff* x)".split(" "),
  "*",
  "",
];
const FIRST_ARGUMENTS = [
  ..."+select|0 +SELECT|1 +select|Zero +getex|px +config|nosuch +config|get|x +select| -select|0 +|x"
    .split(" "),
  ..."+config| -config|nosuch +config|get|x|y +select|a|b +ping|hello".split(" "),
];
const WRONG = [
  ..."foo + - +@ -@nosuch +@nosuch +nosuch -nosuch ~a\tb &a\x0bb %RR~a %X~a %WRW~a %x ) *".split(
    " ",
  ),
  "~a b",
  "+get set",
  "%R ~a",
  "%R~a b",
];
const PASSWORDS = ["a", "b", "", "\0\xff", "a longer one"];

/** Random rules of `ACL SETUSER`, most of them valid. They have no rules of Regent's own. */
export class AclRuleGenerator {
  readonly #random: Random;
  readonly #names: readonly string[];
  readonly #categories: readonly string[];

  constructor(random: Random, catalog: CommandCatalog) {
    this.#random = random;
    this.#names = catalog.commands.flatMap((one) => [one, ...one.subcommands])
      .map(({ name }) => name);
    this.#categories = catalog.categories;
  }

  /** The rules of one request. */
  rules(): string[] {
    return Array.from({ length: randomInteger(this.#random, 6) }, () => this.#rule()).flat();
  }

  oneOf<T>(items: readonly T[]): T {
    const item = items[randomInteger(this.#random, items.length)];
    if (item === undefined) throw new RangeError("Cannot choose from nothing");
    return item;
  }

  #rule(): readonly string[] {
    const choice = this.#random();
    if (choice < 0.07) return [this.#anyCase(this.oneOf(WORDS))];
    if (choice < 0.08) return ["reset"];
    if (choice < 0.2) return [this.#password()];
    if (choice < 0.35) return this.#selector();
    if (choice < 0.36) return [""];
    return [this.#selectorRule()];
  }

  #password(): string {
    const password = this.oneOf(PASSWORDS);
    const digest = this.#random() < 0.05 ? "123" : passwordDigest(password);
    // One that is not there ends the request, so most are added.
    return this.oneOf([
      `>${password}`,
      `>${password}`,
      `#${digest}`,
      `#${digest}`,
      `<${password}`,
      `!${digest}`,
    ]);
  }

  /** As one argument, or as several. */
  #selector(): readonly string[] {
    const count = randomInteger(this.#random, 5);
    const rules = Array.from({ length: count }, () => this.#selectorRule())
      .filter((rule) => !rule.endsWith(")"));
    if (this.#random() < 0.02) rules.push(this.oneOf([">a", "on", "reset", '""', "(+get"]));
    const texts = rules.map((rule) => this.#random() < 0.1 ? this.#quoted(rule) : rule);
    const text = `(${texts.join(" ")})`;
    return this.#random() < 0.3 ? text.split(" ") : [text];
  }

  #quoted(rule: string): string {
    if (/[\s"'\\\0]/.test(rule)) return rule;
    const first = rule.charCodeAt(0).toString(16).padStart(2, "0");
    return this.oneOf([`"${rule}"`, `'${rule}'`, `"\\x${first}${rule.slice(1)}"`]);
  }

  #selectorRule(): string {
    const choice = this.#random();
    if (choice < 0.1) return this.#anyCase(this.oneOf(WORDS.slice(WORDS.indexOf("allkeys"))));
    if (choice < 0.3) {
      return this.oneOf(["~", "~", "%R~", "%W~", "%rw~", "%WR~"]) + this.oneOf(PATTERNS);
    }
    if (choice < 0.4) return `&${this.oneOf(PATTERNS)}`;
    if (choice < 0.43) return this.oneOf(WRONG);
    if (choice < 0.5) return this.oneOf(FIRST_ARGUMENTS);
    const sign = this.oneOf(["+", "-"]);
    if (choice < 0.7) return `${sign}@${this.#anyCase(this.oneOf(this.#categories))}`;
    return sign + this.#anyCase(this.oneOf(this.#names));
  }

  #anyCase(text: string): string {
    const choice = this.#random();
    if (choice < 0.8) return text;
    return choice < 0.9 ? text.toUpperCase() : text.charAt(0).toUpperCase() + text.slice(1);
  }
}
