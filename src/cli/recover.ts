import { UserError } from "../base/errors.ts";
import type { ClusterConfiguration } from "../node/members/configuration.ts";
import { DenoDisk } from "../platform/deno_disk.ts";
import { subcommand } from "./command_line.ts";
import { directoryFlag, optional, several, text, toggle, typedOnly } from "./flags.ts";
import { Exchange, isThere, stageDirectory } from "./offline/data_directories.ts";
import { newestOf, recoveryReport } from "./offline/recovery_report.ts";
import { chunksOf, finalState, Survivor, type SurvivorReport } from "./offline/survivor.ts";
import { newClusterId, newIncarnation, parseId } from "./taking_part.ts";

export const recoverSubcommand = subcommand({
  name: "recover",
  summary: "makes a new cluster from what is left when the majority is lost for good",
  description:
    "For one case only: a majority of the cluster's disks is lost for good. Compares the " +
    "directories of the survivors, whose nodes must not run, and reports which has the newest log " +
    "and what may be lost. Only with --yes, or after a typed yes, it makes a NEW cluster of that " +
    "node alone, with everything in its log. The directory keeps its old content. All other nodes " +
    "join by `regent node --join` with empty directories: old ones are refused.",
  flags: {
    dir: several(
      directoryFlag({ help: "A survivor's data directory; give the flag once per survivor" }),
    ),
    id: optional({
      ...text("ID", {
        help: "The id of the new cluster's node; by default the survivor's",
        fallback: "",
      }),
      parse: parseId,
    }),
    yes: typedOnly(toggle({ help: "Do not ask for confirmation" })),
  },
  examples: [
    "regent recover --dir data/n2                        one of three is left; asks first",
    "regent recover --dir data/n2 --dir data/n3 --yes    two of five are left",
  ],
  async run({ dir: dirs, id, yes }) {
    for (const dir of dirs) await finishInterrupted(dir);
    const survivors: Survivor[] = [];
    try {
      for (const dir of distinct(dirs)) survivors.push(await Survivor.open(dir));
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

/** Drops directories that are given twice, by different names. */
function distinct(dirs: readonly string[]): Iterable<string> {
  return new Map(dirs.map((dir) => [isThere(dir) ? Deno.realPathSync(dir) : dir, dir])).values();
}

interface Newest {
  readonly survivor: Survivor;
  readonly report: SurvivorReport;
}

/**
 * Prints a comparison.
 *
 * @throws {UserError} when no new cluster can be made of the directories
 */
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
 * Completes the new content inside the directory before the old content is set aside. Whenever the
 * process dies, at least one of them is whole.
 */
async function recover(survivor: Survivor, report: SurvivorReport, id: string): Promise<void> {
  const { nodeId, lastIndex, lastTerm } = report;
  const exchange = new Exchange(Deno.realPathSync(survivor.dir));
  const clusterId = newClusterId();
  const incarnation = newIncarnation();
  const machine = finalState(survivor.data);
  await stageDirectory(exchange.staging, {
    nodeId: id,
    clusterId,
    incarnation,
    isFounded: true,
    snapshot: {
      index: lastIndex,
      term: lastTerm,
      timeMs: machine.timeMs,
      machineVersion: machine.version,
      configuration: alone(report.configuration, nodeId, id, incarnation),
    },
    chunks: chunksOf(machine),
  });
  const kept = exchange.setAside();
  exchange.install();
  const keys = machine.keyspace.storedSize;
  console.log(
    `${survivor.dir}: node ${id} of the new cluster ${clusterId}, entry ${lastIndex}, ${keys} keys`,
  );
  console.log(`The old content is kept in ${kept}`);
  console.log(`Start it: regent node --id ${id} --port PORT --dir ${survivor.dir}`);
  console.log(
    "Then each of the others, with an empty directory: " +
      "regent node --id ID --port PORT --dir EMPTY --join HOST:PORT",
  );
}

/** The configuration with one member, at the survivor's last address, which may have changed. */
function alone(
  { members, removed }: ClusterConfiguration,
  nodeId: string,
  id: string,
  incarnation: string,
): ClusterConfiguration {
  const raftAddress = members.find((member) => member.id === nodeId)?.raftAddress ??
    { host: "127.0.0.1", port: 17_001 };
  return {
    members: [{ id, raftAddress, isLearner: false, incarnation }],
    removed: removed.filter((one) => one !== id),
  };
}

/** Finishes an earlier recovery that died between its two moves. Its new content is whole. */
async function finishInterrupted(dir: string): Promise<void> {
  if (!isThere(dir) || !new Exchange(dir).isInterrupted) return;
  const disk = await DenoDisk.open(dir);
  try {
    const exchange = new Exchange(dir);
    const kept = exchange.setAside();
    exchange.install();
    throw new UserError(
      `Cannot recover from ${dir} again: an earlier recovery had been interrupted, and is finished ` +
        `now; the new cluster is in ${dir}, the old content in ${kept}; start it with regent node`,
    );
  } finally {
    disk.close();
  }
}
