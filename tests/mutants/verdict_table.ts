import type { Verdict } from "./hunt.ts";

/** All verdicts as a Markdown table, followed by the totals. */
export function verdictTable(verdicts: readonly Verdict[]): string {
  const lines = ["| mutant | killed by | seconds |", "|---|---|---|"];
  for (const { mutant, kills, survived } of verdicts) {
    const by = kills.map((kill) => kill.by);
    if (survived !== null) by.push(harmlessOr(`**survived ${survived}**`, mutant.harmless));
    const seconds = kills.map((kill) => kill.seconds.toFixed(1));
    lines.push(`| ${mutant.name} | ${by.join(", ")} | ${seconds.join(", ")} |`);
  }
  const alive = verdicts.filter(({ survived }) => survived !== null);
  const harmful = survivorsOf(verdicts);
  const bySimulation = verdicts.filter(({ kills }) => kills.some(({ by }) => by === "simulation"));
  lines.push(
    "",
    `${verdicts.length} mutants: ${verdicts.length - alive.length} killed, ` +
      `${bySimulation.length} of them by the simulation too; ` +
      `${alive.length - harmful.length} harmless, ${harmful.length} survived`,
  );
  for (const { mutant, survived } of harmful) {
    lines.push(`${mutant.name} survived ${survived}: ${mutant.bug} (${mutant.file})`);
  }
  return lines.join("\n");
}

/** The mutants that should have been killed and were not. */
export function survivorsOf(verdicts: readonly Verdict[]): readonly Verdict[] {
  return verdicts.filter(({ mutant, survived }) =>
    survived !== null && mutant.harmless === undefined
  );
}

function harmlessOr(text: string, harmless: string | undefined): string {
  return harmless === undefined ? text : `harmless: ${harmless}`;
}
