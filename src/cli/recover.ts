import { UserError } from "../base/errors.ts";
import type { ClusterConfiguration } from "../node/members/configuration.ts";
import { DenoDisk } from "../platform/deno_disk.ts";
import { newClusterId, newIncarnation, parseId } from "./bootstrap.ts";
import { subcommand } from "./command_line.ts";
import { directoryFlag, optional, repeatable, text, toggle, typedOnly } from "./flags.ts";
import { Exchange, isThere, stageDirectory } from "./offline/data_directories.ts";
import {
  chunksOf,
  finalState,
  newestOf,
  recoveryReport,
  Survivor,
  type SurvivorReport,
} from "./offline/survivor.ts";

export const recoverSubcommand = subcommand({
  name: "recover",
  summary: "create a new cluster from what is left when a majority is lost for good",
  description:
    "For one case only: a majority of the cluster's disks is lost for good. Compares the data " +
    "directories of the survivors, whose nodes must be stopped, and reports which has the newest " +
    "log and what may be lost. With --yes, or after you type yes, it creates a NEW cluster of " +
    "that node alone, with everything in its log. The directory keeps its old content. All other " +
    "nodes join with `regent node --join` and empty directories: their old ones are refused.",
  flags: {
    dir: repeatable(
      directoryFlag({ help: "Data directory of a survivor; repeat the flag for each survivor" }),
    ),
    id: optional({
      ...text("ID", {
        help: "Id of the node in the new cluster; by default the survivor's",
        defaultValue: "",
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
        console.log("Nothing was changed. To create the new cluster, give --yes");
        return 1;
      }
      await recover(newest.survivor, newest.report, id ?? newest.report.nodeId);
    } finally {
      for (const survivor of survivors) survivor.close();
    }
    return 0;
  },
});

/** Drops repetitions of one directory, even under different names. */
function distinct(dirs: readonly string[]): Iterable<string> {
  return new Map(dirs.map((dir) => [isThere(dir) ? Deno.realPathSync(dir) : dir, dir])).values();
}

interface Newest {
  readonly survivor: Survivor;
  readonly report: SurvivorReport;
}

/**
 * Prints a comparison of the survivors.
 *
 * @throws {UserError} when no new cluster can be made of the directories
 */
function compare(survivors: readonly Survivor[]): Newest {
  checkRelated(survivors);
  const sound = survivors.filter(({ damage }) => damage === null);
  const reports = sound.map((one) => one.report());
  const damaged = survivors.filter(({ damage }) => damage !== null)
    .map(({ dir, nodeId, clusterId, damage }) => ({
      dir,
      nodeId,
      clusterId,
      damage: damage ?? "",
    }));
  for (const line of recoveryReport(reports, damaged)) console.log(line);
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
        `Cannot recover from ${dir} together with ${first?.dir}: they belong to different ` +
          `clusters, ${clusterId} and ${first?.clusterId}`,
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
  return prompt("Type yes to create a new cluster from it:")?.trim() === "yes";
}

/**
 * Completes the new content inside the directory before it sets the old content aside. Whenever the
 * process dies, at least one of the two is complete.
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

/** Finishes an earlier recovery that was interrupted after its new content was complete. */
async function finishInterrupted(dir: string): Promise<void> {
  if (!isThere(dir) || !new Exchange(dir).isInterrupted) return;
  const disk = await DenoDisk.open(dir);
  try {
    const exchange = new Exchange(dir);
    const kept = exchange.setAside();
    exchange.install();
    throw new UserError(
      `Cannot recover from ${dir} again: an earlier recovery had been interrupted, and is now ` +
        `finished; the new cluster is in ${dir}, the old content in ${kept}; start the new one ` +
        `with regent node`,
    );
  } finally {
    disk.close();
  }
}
