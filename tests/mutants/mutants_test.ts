import { assert, assertEquals } from "@std/assert";
import { messageOf } from "../../src/base/errors.ts";
import { allMutants } from "./all_mutants.ts";
import { placeOf } from "./mutant.ts";
import { checkTypes } from "./type_check.ts";
import { Workspace } from "./workspace.ts";

const ROOT = new URL("../../", import.meta.url);
const MUTANTS_MIN = 40;

Deno.test("no mutant is stale, and each has a killer", () => {
  assert(allMutants.length >= MUTANTS_MIN, `there are ${allMutants.length} mutants`);
  assertEquals(new Set(allMutants.map(({ name }) => name)).size, allMutants.length);
  const complaints: string[] = [];
  for (const mutant of allMutants) {
    assert(mutant.killers.length > 0 || mutant.simulation, `nobody is to kill ${mutant.name}`);
    try {
      placeOf(mutant, Deno.readTextFileSync(new URL(mutant.file, ROOT)));
      for (const path of mutant.killers) Deno.statSync(new URL(path, ROOT));
    } catch (error) {
      complaints.push(`${mutant.name}: ${messageOf(error)}`);
    }
  }
  assertEquals(complaints, []);
});

Deno.test("every mutant is valid TypeScript", async () => {
  const workspace = Workspace.create(ROOT.pathname);
  try {
    assertEquals(await checkTypes(allMutants, workspace), null);
  } finally {
    workspace.remove();
  }
});
