/**
 * A known bug that is put into the code on purpose, to see whether it is noticed. It is data:
 * nothing of it can get into the product.
 */
export interface Mutant {
  readonly name: string;
  /** What goes wrong, in the words of those to whom it happened. */
  readonly bug: string;
  /** Path from the project's root. */
  readonly file: string;
  /** A text that occurs in the file exactly once; otherwise the mutant is stale. */
  readonly find: string;
  readonly replace: string;
  /** Test files that may notice, the quickest first. If there are any, one of them must. */
  readonly killers: readonly string[];
  /** Whether the simulation must notice as well, by itself. @default false */
  readonly simulation?: boolean;
  /** The first seed, for mutants that need a rare history. @default 1 */
  readonly firstSeed?: number;
  /** Why nobody needs to notice. Such a mutant is shown, but may survive. */
  readonly harmless?: string;
}

/** The position of a mutant's text in its file. */
export interface Place {
  readonly from: number;
  readonly to: number;
}

/**
 * @param text content of the mutant's file
 * @throws {RangeError} if the mutant is stale
 */
export function placeOf({ name, file, find, replace }: Mutant, text: string): Place {
  const count = find === "" ? 0 : text.split(find).length - 1;
  if (count !== 1) {
    throw new RangeError(
      `Cannot put ${name} into ${file}: its text must stand there once: current value is ${count}`,
    );
  }
  if (find === replace) throw new RangeError(`Cannot put ${name} into ${file}: it changes nothing`);
  const from = text.indexOf(find);
  return { from, to: from + find.length };
}

/** The file's content with the bug in it. @throws {RangeError} if the mutant is stale */
export function mutate(mutant: Mutant, text: string): string {
  const { from, to } = placeOf(mutant, text);
  return text.slice(0, from) + mutant.replace + text.slice(to);
}
