import { type Random, randomInteger } from "../../src/base/random.ts";

/** Numbers with which lengths, counts and indexes go wrong. */
const ODD_NUMBERS = [
  ..."0 -0 00 -1 -2 +1 1 2 3 7 9 10 127 128 255 256 511 512 1023 1024 4095 65535 65536 65537".split(
    " ",
  ),
  ..."1048575 1048576 1048577 2147483646 2147483647 2147483648 4294967295 4294967296".split(" "),
  ..."9007199254740991 9007199254740992 9223372036854775807 9223372036854775808".split(" "),
  ..."-9223372036854775808 18446744073709551616 1e3 1.0 1.5 10e-1 0x10 1_0 nan inf -inf".split(" "),
  "",
  " 1",
  "1 ",
  "9".repeat(400),
];

/** The same as big-endian numbers of four bytes. */
const ODD_LENGTHS = [
  ...[0, 1, 2, 3, 4, 0x7f, 0xff, 0x100, 0xffff, 0x10000, 0xfffff, 0x100000, 0x100001],
  ...[0x1000000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff],
];
const ODD_BYTES = "\0\x01\x07\n\r\t \"$'*+,-/0:;<?@[\\]^_`{}~\x7f\x80\xff";
const LENGTH_MAX = 64 * 1024;

/** The material of random mutations. */
export interface MutationOptions {
  readonly random: Random;
  /** Words to insert. */
  readonly words: readonly string[];
  /** Another input of the same kind, to splice with. */
  readonly another: () => string;
}

/** The input with one or several changes, of the kinds that have broken real decoders. */
export function mutate(input: string, options: MutationOptions): string {
  const { random } = options;
  let text = input;
  for (let left = 1 + randomInteger(random, 4); left > 0; left--) {
    const mutation = MUTATIONS[randomInteger(random, MUTATIONS.length)];
    if (mutation !== undefined) text = mutation(text, options).slice(0, LENGTH_MAX);
  }
  return text;
}

/** Bytes without meaning. */
export function randomBytes(random: Random, lengthMax: number): string {
  const length = randomInteger(random, lengthMax + 1);
  return Array.from({ length }, () => String.fromCharCode(randomInteger(random, 256))).join("");
}

type Mutation = (text: string, options: MutationOptions) => string;

const MUTATIONS: readonly Mutation[] = [
  flipBit,
  flipBit,
  setByte,
  insertByte,
  removePiece,
  truncate,
  repeatPiece,
  movePiece,
  replaceNumber,
  replaceNumber,
  replaceLength,
  insertWord,
  replaceByWord,
  splice,
  insertRandom,
  nest,
];

function oneOf<T>(random: Random, values: readonly T[] | string): T {
  return values[randomInteger(random, values.length)] as T;
}

/** A piece of the text; short ones are more frequent. */
function pieceOf(text: string, random: Random): { from: number; to: number } {
  const from = randomInteger(random, text.length + 1);
  const lengthMax = random() < 0.7 ? 8 : text.length;
  return { from, to: Math.min(text.length, from + randomInteger(random, lengthMax + 1)) };
}

function flipBit(text: string, { random }: MutationOptions): string {
  const at = randomInteger(random, text.length);
  const flipped = String.fromCharCode(text.charCodeAt(at) ^ (1 << randomInteger(random, 8)));
  return text === "" ? text : text.slice(0, at) + flipped + text.slice(at + 1);
}

function setByte(text: string, { random }: MutationOptions): string {
  const at = randomInteger(random, text.length + 1);
  return text.slice(0, at) + oneOf(random, ODD_BYTES) + text.slice(at + 1);
}

function insertByte(text: string, { random }: MutationOptions): string {
  const at = randomInteger(random, text.length + 1);
  return text.slice(0, at) + oneOf(random, ODD_BYTES) + text.slice(at);
}

function removePiece(text: string, { random }: MutationOptions): string {
  const { from, to } = pieceOf(text, random);
  return text.slice(0, from) + text.slice(to);
}

function truncate(text: string, { random }: MutationOptions): string {
  return text.slice(0, randomInteger(random, text.length + 1));
}

function repeatPiece(text: string, { random }: MutationOptions): string {
  const { from, to } = pieceOf(text, random);
  const count = random() < 0.05 ? 2_000 : 1 + randomInteger(random, 8);
  const repeated = text.slice(from, to).repeat(Math.min(count, LENGTH_MAX / (to - from)));
  return text.slice(0, to) + repeated + text.slice(to);
}

function movePiece(text: string, { random }: MutationOptions): string {
  const { from, to } = pieceOf(text, random);
  const rest = text.slice(0, from) + text.slice(to);
  const at = randomInteger(random, rest.length + 1);
  return rest.slice(0, at) + text.slice(from, to) + rest.slice(at);
}

function replaceNumber(text: string, { random }: MutationOptions): string {
  const numbers = [...text.slice(0, 4096).matchAll(/-?\d+/g)];
  const number = numbers[randomInteger(random, numbers.length)];
  if (number === undefined) return text;
  const by = random() < 0.3
    ? String(Number(number[0]) + randomInteger(random, 5) - 2)
    : oneOf(random, ODD_NUMBERS);
  return text.slice(0, number.index) + by + text.slice(number.index + number[0].length);
}

function replaceLength(text: string, { random }: MutationOptions): string {
  const at = random() < 0.5 ? 0 : randomInteger(random, text.length + 1);
  const length = oneOf(random, ODD_LENGTHS);
  const bytes = [24, 16, 8, 0].map((shift) => String.fromCharCode((length >>> shift) & 0xff));
  return text.slice(0, at) + bytes.join("") + text.slice(at + 4);
}

function insertWord(text: string, { random, words }: MutationOptions): string {
  const at = randomInteger(random, text.length + 1);
  return text.slice(0, at) + (oneOf(random, words) ?? "") + text.slice(at);
}

function replaceByWord(text: string, { random, words }: MutationOptions): string {
  const { from, to } = pieceOf(text, random);
  return text.slice(0, from) + (oneOf(random, words) ?? "") + text.slice(to);
}

function splice(text: string, { random, another }: MutationOptions): string {
  const other = another();
  return text.slice(0, randomInteger(random, text.length + 1)) +
    other.slice(randomInteger(random, other.length + 1));
}

function insertRandom(text: string, { random }: MutationOptions): string {
  const at = randomInteger(random, text.length + 1);
  return text.slice(0, at) + randomBytes(random, 16) + text.slice(at);
}

/** Brackets within brackets, which break a recursive decoder. */
function nest(text: string, { random }: MutationOptions): string {
  if (random() < 0.8) return text;
  const { from, to } = pieceOf(text, random);
  const depth = oneOf(random, [2, 127, 128, 129, 257, 10_000]);
  const [open, close] = oneOf(random, [["[", "]"], ['{"a":', "}"], ["*1\r\n", ""], ["(", ")"]]) as [
    string,
    string,
  ];
  return text.slice(0, from) + open.repeat(depth) + text.slice(from, to) + close.repeat(depth) +
    text.slice(to);
}
