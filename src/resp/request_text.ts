import { encodeArguments } from "./encode.ts";

const ZERO = 0x30;
const CR = 0x0d;
const CRLF = "\r\n";

/**
 * A request as it goes over the wire, to be handed on without being taken apart. It is written as
 * `encodeRequest` writes it, so that whoever reads it finds the same arguments.
 */
export class RequestText {
  readonly kind = "complete";
  /** Of the arguments, the command's name included; at least 1. */
  readonly count: number;
  /** The arguments as bulk strings without their number, one character (0–255) for each byte. */
  readonly text: string;

  constructor(count: number, text: string) {
    this.count = count;
    this.text = text;
  }

  static of(args: readonly string[]): RequestText {
    return new RequestText(args.length, encodeArguments(args));
  }

  /** The first argument. */
  get name(): string {
    const { text } = this;
    // Names have less than ten characters, nearly all: `$3`, CR LF, and the name.
    if (text.charCodeAt(2) === CR) return text.slice(4, 4 + text.charCodeAt(1) - ZERO);
    const from = text.indexOf(CRLF) + 2;
    return text.slice(from, from + Number(text.slice(1, from - 2)));
  }

  /** The arguments, which share their memory with the text; found anew at each call. */
  args(): string[] {
    const { text, count } = this;
    const args: string[] = [];
    for (let at = 0; args.length < count;) {
      let length = 0;
      let lineEnd = at + 1;
      for (let code = text.charCodeAt(lineEnd); code !== CR; code = text.charCodeAt(lineEnd)) {
        length = length * 10 + (code - ZERO);
        lineEnd++;
      }
      const from = lineEnd + 2;
      args.push(text.slice(from, from + length));
      at = from + length + 2;
    }
    return args;
  }
}
