import { table } from "../table.ts";
import { compareLogs, type SurvivorReport } from "./survivor.ts";

/** A directory that cannot be used, and the reason. */
export interface Casualty {
  readonly dir: string;
  readonly nodeId: string;
  readonly clusterId: string;
  readonly damage: string;
}

/** What the operator should know before anything changes. */
export function recoveryReport(
  survivors: readonly SurvivorReport[],
  casualties: readonly Casualty[],
): string[] {
  const newest = newestOf(survivors);
  return [
    survivorTable(survivors, casualties),
    ...casualties.map(({ nodeId, damage }) => `${nodeId} cannot be used: ${damage}`),
    "",
    ...(newest === undefined ? [] : [
      `${newest.nodeId} has the newest log: it ends with entry ${newest.lastIndex} of term ` +
      `${newest.lastTerm}.`,
      ...losses(newest, survivors),
    ]),
  ];
}

/** The report with the newest log, and the first of equals. */
export function newestOf(survivors: readonly SurvivorReport[]): SurvivorReport | undefined {
  return [...survivors].sort(compareLogs)[0];
}

function survivorTable(
  survivors: readonly SurvivorReport[],
  casualties: readonly Casualty[],
): string {
  const sound = survivors.map((one) => [
    one.nodeId,
    one.dir,
    one.clusterId,
    ...[one.term, one.lastTerm, one.lastIndex, one.snapshotIndex].map(String),
  ]);
  const damaged = casualties.map(({ nodeId, dir, clusterId }) => [
    ...[nodeId, dir, clusterId],
    ...["damaged", "-", "-", "-"],
  ]);
  const heading = ["id", "directory", "cluster", "term", "last term", "last index", "snapshot"];
  return table([heading, ...sound, ...damaged]);
}

function losses(newest: SurvivorReport, survivors: readonly SurvivorReport[]): string[] {
  const voters = newest.configuration.members.filter(({ isLearner }) => !isLearner);
  const here = voters.filter(({ id }) => survivors.some(({ nodeId }) => nodeId === id));
  const lost = voters.filter((voter) => !here.includes(voter));
  const names = (some: readonly { readonly id: string }[]) => some.map(({ id }) => id).join(", ");
  const committed = Math.max(...survivors.map(({ snapshotIndex }) => snapshotIndex));
  const lines = [];
  if (2 * here.length > voters.length) {
    const [present, all] = [names(here), names(voters)];
    lines.push(
      `WARNING: as far as these know, a majority of the voting members (${all}) is here: ${present}.`,
      "Then nothing is lost and no recovery is needed: start these nodes as they are, they elect a",
      "leader, and then `regent remove` the others.",
    );
  } else {
    const missing = names(lost) || "unknown";
    lines.push(
      `Not here, of the voting members: ${missing}. Writes that were acknowledged by their word may`,
      "be lost: whether there are any, and which, cannot be known.",
    );
  }
  lines.push(`Kept: everything up to entry ${newest.lastIndex}.`);
  if (newest.lastIndex > committed) {
    lines.push(
      `Up to entry ${committed} it is known to be committed; what follows may or may not have been`,
      "acknowledged to a client.",
    );
  }
  return lines;
}
