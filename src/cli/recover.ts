import { basename, dirname, resolve } from "node:path";
import { UserError } from "../base/errors.ts";
import type { ClusterConfiguration } from "../node/configuration.ts";
import { optional, several, text, toggle } from "./flags.ts";
import { newClusterId, parseId } from "./founding.ts";
import { chunksOf, finalState } from "./offline/final_state.ts";
import { EmptyPlace } from "./offline/empty_place.ts";
import { newestOf, recoveryReport } from "./offline/recovery_report.ts";
import {
  isThere,
  moveDirectory,
  removeDirectory,
  stageDirectory,
} from "./offline/staged_directory.ts";
import { Survivor, type SurvivorReport } from "./offline/survivor.ts";
import { DenoDisk } from "./platform/deno_disk.ts";
import { subcommand } from "./subcommand.ts";

export const recoverSubcommand = subcommand({
  name: "recover",
  summary: "makes a new cluster of what is left when the majority is lost for good",
  description:
    "For one case only: so many disks of a cluster are lost for good that the rest is no majority.\n" +
    "Compares the directories of the survivors, whose nodes must not run, and tells which has the\n" +
    "newest log and what may be lost. Only with --yes, or when that is typed, it makes a NEW cluster\n" +
    "of that node alone, with everything that its log holds. Its old directory is kept beside it. All\n" +
    "others enter with `regent node --join` and empty directories: old ones are refused.",
  flags: {
    dir: several(text("DIR", { help: "A survivor's data directory; give it once for each" })),
    id: optional({
      ...text("ID", {
        help: "The id of the new cluster's node; by default that of the survivor",
        fallback: "",
      }),
      parse: parseId,
    }),
    yes: toggle({ help: "Do it without asking" }),
  },
  examples: [
    "regent recover --dir data/n2 --dir data/n3          compares, then asks",
    "regent recover --dir data/n2 --dir data/n3 --yes",
  ],
  async run({ dir: dirs, id, yes }) {
    for (const dir of dirs) await finishInterrupted(dir);
    const survivors: Survivor[] = [];
    try {
      for (const dir of new Set(dirs)) survivors.push(await Survivor.open(dir));
      const newest = compare(survivors);
      if (!yes && !isConfirmed()) {
        console.log("Nothing was changed. To make the new cluster, give --yes");
        return 1;
      }
      await recover(newest.survivor, newest.report, id ?? newest.report.nodeId);
    } finally {
      for (const survivor of survivors) survivor.close();
    }
    return 0;
  },
});

interface Newest {
  readonly survivor: Survivor;
  readonly report: SurvivorReport;
}

/** Prints what there is. @throws {UserError} when no new cluster can be made of it */
function compare(survivors: readonly Survivor[]): Newest {
  checkRelated(survivors);
  const sound = survivors.filter(({ damage }) => damage === null);
  const reports = sound.map((one) => one.report());
  const casualties = survivors.filter(({ damage }) => damage !== null)
    .map(({ dir, nodeId, clusterId, damage }) => ({
      dir,
      nodeId,
      clusterId,
      damage: damage ?? "",
    }));
  for (const line of recoveryReport(reports, casualties)) console.log(line);
  const report = newestOf(reports);
  const survivor = sound.find(({ nodeId }) => nodeId === report?.nodeId);
  if (report === undefined || survivor === undefined) {
    throw new UserError("Cannot recover: none of the directories can be used");
  }
  if (report.lastIndex === 0) {
    throw new UserError("Cannot recover: the logs are empty, there is nothing to keep");
  }
  return { survivor, report };
}

function checkRelated(survivors: readonly Survivor[]): void {
  const [first] = survivors;
  for (const [at, { nodeId, clusterId, dir }] of survivors.entries()) {
    if (clusterId !== first?.clusterId) {
      throw new UserError(
        `Cannot recover from ${dir} together with ${first?.dir}: they belong to different clusters, ` +
          `${clusterId} and ${first?.clusterId}`,
      );
    }
    const twin = survivors.find((one, other) => other < at && one.nodeId === nodeId);
    if (twin !== undefined) {
      throw new UserError(
        `Cannot recover from ${dir} together with ${twin.dir}: both are of node ${nodeId}`,
      );
    }
  }
}

function isConfirmed(): boolean {
  if (!Deno.stdin.isTerminal() || !Deno.stdout.isTerminal()) return false;
  return prompt("Type yes to make a new cluster of it:")?.trim() === "yes";
}

/**
 * The new directory is made whole beside the old one before that is moved away: whenever the process
 * dies, one of them, or both, are there.
 */
async function recover(survivor: Survivor, report: SurvivorReport, id: string): Promise<void> {
  const { nodeId, lastIndex, lastTerm } = report;
  const path = Deno.realPathSync(survivor.dir);
  const staging = stagingOf(path);
  const clusterId = newClusterId();
  const machine = finalState(survivor.data);
  await stageDirectory(staging, {
    nodeId: id,
    clusterId,
    snapshot: {
      index: lastIndex,
      term: lastTerm,
      timeMs: machine.timeMs,
      configuration: alone(report.configuration, nodeId, id),
    },
    chunks: chunksOf(machine),
  });
  const time = new Date().toISOString().replaceAll(":", "-");
  const kept = `${path}.before-recovery-${time}`;
  try {
    moveDirectory(path, kept);
  } catch (error) {
    removeDirectory(staging);
    throw error;
  }
  moveDirectory(staging, path);
  const keys = machine.keyspace.storedSize;
  console.log(
    `${survivor.dir}: node ${id} of the new cluster ${clusterId}, entry ${lastIndex}, ${keys} keys`,
  );
  console.log(`The old directory is kept as ${kept}`);
  console.log(`Start it: regent node --id ${id} --port PORT --dir ${survivor.dir}`);
  console.log(
    "Then each of the others, with an empty directory: " +
      "regent node --id ID --port PORT --dir EMPTY --join HOST:PORT",
  );
}

/** The configuration with one member, at the address that the survivor had; it may have moved. */
function alone(
  { members, removed }: ClusterConfiguration,
  nodeId: string,
  id: string,
): ClusterConfiguration {
  const raftAddress = members.find((member) => member.id === nodeId)?.raftAddress ??
    { host: "127.0.0.1", port: 17_001 };
  return {
    members: [{ id, raftAddress, isLearner: false }],
    removed: removed.filter((one) => one !== id),
  };
}

/**
 * An earlier recovery may have died between its two moves: then the new directory is whole, and only
 * its name is missing. A node that was started meanwhile may have left an empty directory there.
 */
async function finishInterrupted(dir: string): Promise<void> {
  const path = resolve(dir);
  const staging = stagingOf(path);
  if (isThere(`${path}/identity.json`) || !isThere(`${staging}/identity.json`)) return;
  const prefix = `${basename(path)}.before-recovery-`;
  const kept = DenoDisk.openForReading(dirname(path)).list("")
    .findLast((name) => name.startsWith(prefix));
  const staged = await Survivor.open(staging);
  const isWhole = staged.damage === null && staged.report().snapshotIndex > 0;
  staged.close();
  if (kept === undefined || !isWhole) return;
  const place = await EmptyPlace.take(path, "finish the recovery of");
  place.fill(staging);
  place.leave();
  throw new UserError(
    `Cannot recover from ${dir} again: an earlier recovery had been interrupted, and is finished ` +
      `now; the new cluster is in ${dir}, the old directory is ${dirname(path)}/${kept}; ` +
      `start it with regent node`,
  );
}

function stagingOf(path: string): string {
  return `${path}.recovering`;
}
