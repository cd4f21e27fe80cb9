import { formatAddress } from "../base/address.ts";
import { UserError } from "../base/errors.ts";
import type { ClusterConfiguration } from "../node/members/configuration.ts";
import type { Address } from "../platform/network.ts";
import { SnapshotFormatError } from "../store/snapshot_items.ts";
import { type LoadedState, StateLoader } from "../store/state_loader.ts";
import { clusterIdOf, newClusterId, newIncarnation, parseId, parsePeers } from "./bootstrap.ts";
import { subcommand } from "./command_line.ts";
import { shownName } from "./files/file_names.ts";
import {
  chunksOfState,
  type ContentsRestored,
  forgetNodes,
  restoreContents,
} from "./files/restored_files.ts";
import { directoryFlag, optional, text, UsageError } from "./flags.ts";
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
    "damaged or the directory is in use. With --files, the contents of files are restored too, " +
    "all of them into this node: one node with enough room is enough, since the others copy " +
    "from it what belongs to them.",
  flags: {
    dir: directoryFlag({ help: "The data directory to create; it must be empty or missing" }),
    id: { ...text("ID", { help: "The node's id, which never changes" }), parse: parseId },
    files: optional(directoryFlag({
      help: "Restore the contents of files from this directory of `regent backup --files`",
    })),
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
  async run({ dir, id, files, peers }, words) {
    const file = onlyFile(words);
    if (peers.size > 0 && !peers.has(id)) {
      throw new UsageError(
        `Cannot restore ${id}: --peers names only ${[...peers.keys()].join(", ")}`,
      );
    }
    const place = await EmptyPlace.take(dir);
    try {
      const { checked, state } = checkFile(file);
      const keys = state.keyspace.storedSize;
      const hasFiles = state.files.size > 0 || state.files.layout.nodes.length > 0;
      if (hasFiles) forgetNodes(state.files);
      const { header, digest } = checked;
      const incarnation = newIncarnation();
      const configuration = membersOf(header.configuration, id, peers, incarnation);
      const addresses = new Map([...peers].map(([peer, one]) => [peer, formatAddress(one)]));
      const clusterId = peers.size === 0 ? newClusterId() : clusterIdOf(addresses, digest);
      let contents: ContentsRestored | null = null;
      await place.fill(async (path) => {
        await stageDirectory(path, {
          nodeId: id,
          clusterId,
          incarnation,
          isFounded: peers.size === 0,
          snapshot: { ...header, configuration },
          chunks: hasFiles ? chunksOfState(state) : readSnapshotFile(file),
        });
        if (files !== undefined) contents = await restoreContents(path, files, state.files);
      });
      console.log(
        `${dir}: node ${id} of the new cluster ${clusterId}, entry ${header.index}, ${keys} keys`,
      );
      sayContents(state.files.size, contents);
      console.log(`Start it: regent node --id ${id} --port PORT --dir ${dir}`);
    } finally {
      place.leave();
    }
    return 0;
  },
});

/** Says what became of the contents of files, if there are any. */
function sayContents(files: number, contents: ContentsRestored | null): void {
  if (files === 0) return;
  if (contents === null) {
    console.log(`The contents of its ${files} files are not restored: --files was not given`);
    return;
  }
  const { restored, bytes, missing } = contents;
  console.log(`Contents of ${restored} files, ${bytes} bytes`);
  const [first] = missing;
  if (first === undefined) return;
  console.error(
    `regent: the contents of ${missing.length} files are not in the backup, among them ` +
      `${shownName(first)}: these files cannot be read`,
  );
}

function onlyFile(words: readonly string[]): string {
  const [file] = words;
  if (file === undefined || words.length > 1) {
    throw new UsageError("Cannot start: expected one FILE, the backup to restore");
  }
  return file;
}

/** Reads the whole file as a node would, since what is restored must load. */
function checkFile(
  path: string,
): { readonly checked: CheckedSnapshot; readonly state: LoadedState } {
  const loader = new StateLoader();
  const chunks = readSnapshotFile(path);
  try {
    let next = chunks.next();
    for (; next.done !== true; next = chunks.next()) loader.push(next.value);
    return { checked: next.value, state: loader.take() };
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
