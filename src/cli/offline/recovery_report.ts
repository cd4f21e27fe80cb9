import { table } from "../table.ts";
import { compareLogs, type SurvivorReport } from "./survivor.ts";

/** A directory that cannot be used, and the reason. */
export interface Casualty {
  readonly dir: string;
  readonly nodeId: string;
  readonly clusterId: string;
  readonly damage: string;
}

/** The text that the operator sees before anything is changed. */
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
      `WARNING: by these logs, a majority of the voting members (${all}) is here: ${present}.`,
      "If so, nothing is lost and no recovery is needed. Start these nodes as they are. When they",
      "have elected a leader, remove the others with `regent remove`.",
    );
  } else {
    const missing = names(lost) || "unknown";
    lines.push(
      `Missing voting members: ${missing}. Acknowledged writes that only they hold may be lost.`,
      "It cannot be known whether there are any, or which.",
    );
  }
  lines.push(`Kept: everything up to entry ${newest.lastIndex}.`);
  if (newest.lastIndex > committed) {
    lines.push(
      `Entries up to ${committed} are known to be committed. Later ones may or may not have been`,
      "acknowledged to a client.",
    );
  }
  return lines;
}
