import { type Random, randomInteger } from "../../src/base/random.ts";

const KEYS = ["a", "b", "c", "d", "key:1", "key:2", "{tag}x", "{tag}y", "__proto__", "", "\0", "ÿ"];

const INTEGERS = [
  ..."0 1 -1 2 10 -10 99 100 4095 9007199254740991 9007199254740992 9007199254740993".split(" "),
  ..."-9007199254740993 9223372036854775807 9223372036854775806 -9223372036854775808".split(" "),
  ..."-9223372036854775807 9223372036854775808 -9223372036854775809".split(" "),
  ..."18446744073709551615 99999999999999999999 999999999999999 1000000000000000".split(" "),
  ..."00 007 -0 +5 1.0 1e3 0x10 - + --1 1- 1a".split(" "),
  " 5",
  "5 ",
  "5\0",
  "",
];

const FLOATS = [
  ..."0.1 0.2 0.3 -0.1 3.14159265358979 1e10 1E-10 1.5e3 .5 5. . e 1e 1e+ +1.5 -1.5 --1".split(" "),
  ..."inf -inf +inf INFINITY Infinit nan -nan nan(1) 0x1p3 0x.8 0x1.8p-1 0x 0xg 0X1P+2".split(" "),
  ..."1e4932 -1e4932 1.18973149535723176502e4932 1.2e4932 1e4931 1e-4931 1e-4950".split(" "),
  ..."3.6e-4951 1.9e-4951 1.8e-4951 1e-4960 -1e-5000 0e99999 1e99999 0x1p16383".split(" "),
  ..."0x1p16384 0x1p-16445 0x1p-16446 0x1.8p-16446 -0 -0.0 0.000000000000000001".split(" "),
  ..."0.000000000000000005 0.000000000000000015 1e-17 -1e-18 1e18 1e19 18446744073709551615".split(
    " ",
  ),
  ..."18446744073709551616 18446744073709551617 36893488147419103233 9223372036854775807".split(
    " ",
  ),
  ..."0x1.fffffffffffffffep0 0x1.ffffffffffffffffp0 0xffffffffffffffff8 0xffffffffffffffff8.1"
    .split(" "),
  "1 ",
  " 1",
  "1\0",
  "\t1",
  "1" + "0".repeat(5118),
  "1" + "0".repeat(5119),
  "0." + "0".repeat(4000) + "123",
  "1".repeat(40) + "." + "7".repeat(40),
];

const PATTERNS = [
  ..."* ** ? key:* key:? *a* a* *b [abc] [^abc] [a-c] [c-a] [^a-c] [a- [a [^ [ \\a \\* \\ a\\"
    .split(" "),
  ..."[]a] [^]] [\\]] [a\\]b] {tag}* *} *\\?* [a-c]* ?* *? *?* [b-]*] __*__ *a*b*c* [\xf0-\xff] [a-\xff]"
    .split(" "),
  "",
  "\0",
  "*\0*",
  "a*a*a*a*a*a*b",
];

/** Arguments that have broken servers before, drawn from a seeded source. */
export class NastyValues {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** An integer in [0, below). */
  integerBelow(below: number): number {
    return randomInteger(this.#random, below);
  }

  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  oneOf<T>(choices: readonly T[]): T {
    return choices[this.integerBelow(choices.length)] as T;
  }

  key(): string {
    return this.oneOf(KEYS);
  }

  integer(): string {
    if (this.chance(0.5)) return this.oneOf(INTEGERS);
    const digits = this.integerBelow(20) + 1;
    let text = this.chance(0.3) ? "-" : "";
    for (let digit = 0; digit < digits; digit++) text += this.integerBelow(10);
    return text;
  }

  float(): string {
    if (this.chance(0.5)) return this.oneOf(FLOATS);
    if (this.chance(0.2)) return this.integer();
    const sign = this.oneOf(["", "", "-", "+"]);
    const exponent = this.chance(0.3) ? `e${this.oneOf(["", "-"])}${this.integerBelow(60)}` : "";
    return sign + this.#digits(25) + "." + this.#digits(25) + exponent;
  }

  pattern(): string {
    if (this.chance(0.6)) return this.oneOf(PATTERNS);
    const pieces = [
      "*",
      "?",
      "[",
      "]",
      "^",
      "-",
      "\\",
      "a",
      "b",
      "c",
      "k",
      "e",
      "y",
      ":",
      "1",
      "\xff",
    ];
    let text = "";
    for (let left = this.integerBelow(8); left >= 0; left--) text += this.oneOf(pieces);
    return text;
  }

  value(): string {
    switch (this.integerBelow(8)) {
      case 0:
      case 1:
        return this.integer();
      case 2:
      case 3:
        return this.float();
      case 4:
        return this.#bytes(this.integerBelow(40));
      case 5:
        return "x".repeat(this.integerBelow(3000));
      case 6:
        return this.oneOf(["", "\r\n", "\0", "+OK\r\n", "$-1\r\n", "GET"]);
      default:
        return this.oneOf(["hello", "world", "a", "1", "2", "10"]);
    }
  }

  /** The same word, with some letters in the other case. */
  anyCase(word: string): string {
    if (this.chance(0.5)) return word;
    return word.replace(
      /[a-z]/gi,
      (letter) => this.chance(0.5) ? letter.toUpperCase() : letter.toLowerCase(),
    );
  }

  #bytes(length: number): string {
    return String.fromCharCode(...Array.from({ length }, () => this.integerBelow(256)));
  }

  #digits(lengthMax: number): string {
    return Array.from({ length: this.integerBelow(lengthMax + 1) }, () => this.integerBelow(10))
      .join("");
  }
}
