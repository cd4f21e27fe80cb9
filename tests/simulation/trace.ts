const KEPT = 400;

type Fact = string | number | boolean | null;

interface Line {
  readonly atMs: number;
  readonly who: string;
  readonly what: string;
  readonly facts: readonly Fact[];
}

/** The events of a run: a hash of all of them, to compare runs, and the last ones as text. */
export class Trace {
  #hash = 0x811c9dc5;
  #count = 0;
  readonly #lines: (Line | undefined)[] = new Array(KEPT);

  /** Equal for equal events. */
  get hash(): string {
    return `${this.#count}-${(this.#hash >>> 0).toString(16).padStart(8, "0")}`;
  }

  note(atMs: number, who: string, what: string, ...facts: readonly Fact[]): void {
    this.#lines[this.#count++ % KEPT] = { atMs, who, what, facts };
    this.#mix(Math.round(atMs * 1000));
    this.#mixText(who);
    this.#mixText(what);
    for (const fact of facts) {
      if (typeof fact === "number") this.#mix(fact);
      else this.#mixText(String(fact));
    }
  }

  /** The last events, oldest first. */
  last(count: number): string[] {
    const lines: string[] = [];
    for (let at = Math.max(0, this.#count - Math.min(count, KEPT)); at < this.#count; at++) {
      const line = this.#lines[at % KEPT];
      if (line !== undefined) lines.push(textOf(line));
    }
    return lines;
  }

  #mix(value: number): void {
    this.#hash = Math.imul(this.#hash ^ (value | 0), 0x01000193);
  }

  #mixText(text: string): void {
    this.#hash = hashText(this.#hash, text);
  }
}

function textOf({ atMs, who, what, facts }: Line): string {
  return `${atMs.toFixed(2).padStart(10)} ${who.padEnd(4)} ${[what, ...facts].join(" ")}`;
}

/** FNV-1a, continued from an earlier hash. */
export function hashText(hash: number, text: string): number {
  let mixed = hash;
  for (let at = 0; at < text.length; at++) {
    mixed = Math.imul(mixed ^ text.charCodeAt(at), 0x01000193);
  }
  return mixed ^ (mixed >>> 15);
}
