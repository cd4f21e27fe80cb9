import type { Configuration } from "../../../src/raft/mod.ts";

/** A configuration as the data of an entry: `C:1,2,3+4` has the voters 1, 2, 3 and the learner 4. */
export function configurationText({ voters, learners }: Configuration): string {
  return `C:${voters}` + (learners.length > 0 ? `+${learners}` : "");
}

/** The configuration in the data of an entry; `null` if it holds none. */
export function parseConfiguration(data: string): Configuration | null {
  if (!data.startsWith("C:")) return null;
  const [voters = "", learners = ""] = data.slice(2).split("+");
  return { voters: split(voters), learners: split(learners) };
}

function split(ids: string): string[] {
  return ids === "" ? [] : ids.split(",");
}
