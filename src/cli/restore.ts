import { formatAddress } from "../base/address.ts";
import { UserError } from "../base/errors.ts";
import type { ClusterConfiguration } from "../node/members/configuration.ts";
import type { Address } from "../platform/network.ts";
import { SnapshotFormatError } from "../store/snapshot_items.ts";
import { StateLoader } from "../store/state_loader.ts";
import { clusterIdOf, newClusterId, newIncarnation, parseId, parsePeers } from "./bootstrap.ts";
import { subcommand } from "./command_line.ts";
import { directoryFlag, text, UsageError } from "./flags.ts";
import { EmptyPlace, stageDirectory } from "./offline/data_directories.ts";
import { type CheckedSnapshot, readSnapshotFile } from "./offline/snapshot_file.ts";

/** The stored address of a cluster of one. The node replaces it by its own when it starts. */
const PLACEHOLDER_RAFT_ADDRESS: Address = { host: "127.0.0.1", port: 17_001 };

export const restoreSubcommand = subcommand({
  name: "restore",
  summary: "create a node of a new cluster from a backup",
  description:
    "Creates the data directory of a node from a backup. The node belongs to a NEW cluster, of " +
    "itself alone or of all --peers. In the latter case, restore the same file with the same " +
    "--peers on each of them. Then `regent node` starts it. Nothing is changed if the file is " +
    "damaged or the directory is in use.",
  flags: {
    dir: directoryFlag({ help: "The data directory to create; it must be empty or missing" }),
    id: { ...text("ID", { help: "The node's id, which never changes" }), parse: parseId },
    peers: {
      ...text("ID=HOST:PORT,…", {
        help:
          "All members of the new cluster with their Raft addresses, the same on every node; by " +
          "default this node alone",
        defaultValue: "",
      }),
      parse: parsePeers,
      defaultValue: new Map<string, Address>(),
    },
  },
  words: "FILE",
  examples: [
    "regent restore monday.backup --dir data/n1 --id n1      a cluster of one",
    "regent node --id n1 --port 7001 --dir data/n1           starts it; others may --join",
    "regent restore monday.backup --dir data/n1 --id n1 \\",
    "    --peers n1=10.0.0.1:17001,n2=10.0.0.2:17001,n3=10.0.0.3:17001   on n2 and n3 as well",
  ],
  async run({ dir, id, peers }, words) {
    const file = onlyFile(words);
    if (peers.size > 0 && !peers.has(id)) {
      throw new UsageError(
        `Cannot restore ${id}: --peers names only ${[...peers.keys()].join(", ")}`,
      );
    }
    const place = await EmptyPlace.take(dir);
    try {
      const { checked, keys } = checkFile(file);
      const { header, digest } = checked;
      const incarnation = newIncarnation();
      const configuration = membersOf(header.configuration, id, peers, incarnation);
      const addresses = new Map([...peers].map(([peer, one]) => [peer, formatAddress(one)]));
      const clusterId = peers.size === 0 ? newClusterId() : clusterIdOf(addresses, digest);
      await place.fill((path) =>
        stageDirectory(path, {
          nodeId: id,
          clusterId,
          incarnation,
          isFounded: peers.size === 0,
          snapshot: { ...header, configuration },
          chunks: readSnapshotFile(file),
        })
      );
      console.log(
        `${dir}: node ${id} of the new cluster ${clusterId}, entry ${header.index}, ${keys} keys`,
      );
      console.log(`Start it: regent node --id ${id} --port PORT --dir ${dir}`);
    } finally {
      place.leave();
    }
    return 0;
  },
});

function onlyFile(words: readonly string[]): string {
  const [file] = words;
  if (file === undefined || words.length > 1) {
    throw new UsageError("Cannot start: expected one FILE, the backup to restore");
  }
  return file;
}

/** Reads the whole file as a node would, since what is restored must load. */
function checkFile(path: string): { readonly checked: CheckedSnapshot; readonly keys: number } {
  const loader = new StateLoader();
  const chunks = readSnapshotFile(path);
  try {
    let next = chunks.next();
    for (; next.done !== true; next = chunks.next()) loader.push(next.value);
    const { keyspace } = loader.take();
    return { checked: next.value, keys: keyspace.storedSize };
  } catch (error) {
    if (!(error instanceof SnapshotFormatError)) throw error;
    const what = `${error.message}; it is damaged or not a backup`;
    throw new UserError(`Cannot use ${path}: ${what}`, { cause: error });
  }
}

function membersOf(
  { removed }: ClusterConfiguration,
  id: string,
  peers: ReadonlyMap<string, Address>,
  incarnation: string,
): ClusterConfiguration {
  if (peers.size === 0) {
    return {
      members: [{ id, raftAddress: PLACEHOLDER_RAFT_ADDRESS, isLearner: false, incarnation }],
      removed: removed.filter((one) => one !== id),
    };
  }
  // All members restore the same state. They exchange their incarnations once all of them are up.
  return {
    members: [...peers].map(([id, raftAddress]) => ({ id, raftAddress, isLearner: false })),
    removed: removed.filter((one) => !peers.has(one)),
  };
}
