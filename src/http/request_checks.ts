import type { ApiRequest } from "./api.ts";
import { Problem } from "./problem.ts";

/** @throws {Problem} when a parameter is unknown or given twice, so that no typo is ignored */
export function checkQuery(request: ApiRequest, known: readonly string[]): void {
  const names = [...request.url.searchParams.keys()];
  const wrong = names.find((name, at) => !known.includes(name) || names.indexOf(name) !== at);
  if (wrong === undefined) return;
  const what = known.length === 0 ? "no parameters" : `only ${known.join(", ")}, each once`;
  throw new Problem("bad-request", `The query may have ${what}.`);
}

const CONDITIONS = ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"];

/** @throws {Problem} when there is a condition that would not be kept */
export function checkConditions({ headers }: ApiRequest, kept: readonly string[]): void {
  const wrong = CONDITIONS.find((name) => headers.has(name) && !kept.includes(name));
  if (wrong === undefined) return;
  throw new Problem("bad-request", `The condition ${wrong} is not supported here.`);
}
