import { Glob } from "../base/glob.ts";
import type { Rights } from "./user.ts";

/** Counts the steps of comparing a request's names with patterns. */
export interface StepBudget {
  stepsLeft: number;
}

/** What one pattern matches, in the fastest form. */
type Matcher =
  | { readonly kind: "exact" | "prefix"; readonly text: string }
  | { readonly kind: "glob"; readonly glob: Glob };

/** Patterns and the rights that each of them gives, compiled for fast comparison. */
export class NameMatcher {
  readonly isAll: boolean;
  readonly #patterns: readonly { readonly rights: Rights; readonly matcher: Matcher }[];
  readonly #texts: ReadonlySet<string>;
  /** The union of what the pattern `*` gives. */
  readonly #ofStar: Rights;

  /** @param patterns none if `isAll` */
  constructor(
    isAll: boolean,
    patterns: readonly { readonly pattern: string; readonly rights: Rights }[],
  ) {
    this.isAll = isAll;
    this.#patterns = patterns.map(({ pattern, rights }) => ({
      rights,
      matcher: matcherOf(pattern),
    }));
    this.#texts = new Set(patterns.map(({ pattern }) => pattern));
    this.#ofStar = patterns.find(({ pattern }) => pattern === "*")?.rights ?? 0;
  }

  /**
   * Whether one pattern gives all these rights to the name. False as well if that takes more steps
   * than the budget has; then it has none left.
   */
  allows(name: string, rights: Rights, budget: StepBudget): boolean {
    if (this.isAll) return true;
    for (const one of this.#patterns) {
      if ((one.rights & rights) !== rights) continue;
      if (budget.stepsLeft <= 0) return false;
      budget.stepsLeft--;
      if (matches(one.matcher, name, budget)) return true;
    }
    return false;
  }

  /**
   * Whether one pattern gives all these rights to every name that begins so: one that is a text and
   * then a star.
   */
  allowsPrefix(prefix: string, rights: Rights): boolean {
    return this.isAll ||
      this.#patterns.some(({ rights: given, matcher }) =>
        (given & rights) === rights && matcher.kind === "prefix" && prefix.startsWith(matcher.text)
      );
  }

  /** Whether a pattern is the same text as this one, which is a pattern itself (`PSUBSCRIBE`). */
  hasPattern(pattern: string): boolean {
    return this.isAll || this.#texts.has(pattern);
  }

  /** Whether all names may be used with these rights. */
  allowsEverything(rights: Rights): boolean {
    return this.isAll || (this.#texts.has("*") && (this.#ofStar & rights) === rights);
  }
}

function matcherOf(pattern: string): Matcher {
  if (!/[*?[\\]/.test(pattern)) return { kind: "exact", text: pattern };
  const prefix = /^([^*?[\\]*)\*$/s.exec(pattern)?.[1];
  return prefix === undefined
    ? { kind: "glob", glob: new Glob(pattern) }
    : { kind: "prefix", text: prefix };
}

function matches(matcher: Matcher, name: string, budget: StepBudget): boolean {
  switch (matcher.kind) {
    case "exact":
      return name === matcher.text;
    case "prefix":
      // As in Redis, no star matches the empty name.
      return name !== "" && name.startsWith(matcher.text);
    case "glob": {
      const match = matcher.glob.begin(name);
      const result = match.run(budget.stepsLeft);
      budget.stepsLeft -= result === null ? budget.stepsLeft : match.steps;
      return result === true;
    }
  }
}
