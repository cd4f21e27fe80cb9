import { type Mutant, type Place, placeOf } from "./mutant.ts";
import { runDeno } from "./run_deno.ts";
import type { Workspace } from "./workspace.ts";

const SECONDS_MAX = 180;

/**
 * Nobody ships a bug that the compiler finds. This checks many mutants at once, those that overlap
 * in separate rounds.
 *
 * @returns the compiler's output, or `null` if there is no error
 */
export async function checkTypes(
  mutants: readonly Mutant[],
  workspace: Workspace,
): Promise<string | null> {
  for (const group of groups(mutants, workspace)) {
    const { ending, output } = await workspace.with(
      group,
      () => runDeno(workspace.path, ["check", "--quiet", "main.ts"], SECONDS_MAX),
    );
    if (ending !== "passed") return ending === "hung" ? "the check of types hangs" : output;
  }
  return null;
}

function groups(mutants: readonly Mutant[], workspace: Workspace): Mutant[][] {
  const groups: { mutants: Mutant[]; places: Map<string, Place[]> }[] = [];
  for (const mutant of mutants) {
    const place = placeOf(mutant, Deno.readTextFileSync(`${workspace.path}/${mutant.file}`));
    const isFree = ({ places }: { places: Map<string, Place[]> }) =>
      (places.get(mutant.file) ?? []).every(({ from, to }) => to <= place.from || place.to <= from);
    let group = groups.find(isFree);
    if (group === undefined) groups.push(group = { mutants: [], places: new Map() });
    group.mutants.push(mutant);
    group.places.set(mutant.file, [...group.places.get(mutant.file) ?? [], place]);
  }
  return groups.map(({ mutants }) => mutants);
}
