import type { Arguments } from "../base/byte_string.ts";
import { OK, type Reply } from "../resp/reply.ts";
import { isLive } from "../store/file_health.ts";
import type { FileIndex } from "../store/file_index.ts";
import { type FileNode, stateOfNode } from "../store/file_layout.ts";
import type { FileBlob, FileRecord } from "../store/file_record.ts";
import { FILE_NODES_MAX } from "../store/file_rules.ts";
import { argument, isOption } from "./arguments.ts";
import { type CommandContext, KEYS_PER_STEP } from "./command.ts";
import { CommandError, SYNTAX_ERROR } from "./command_error.ts";
import {
  addressAt,
  blobAt,
  type CommitRequest,
  countAt,
  type FileCondition,
  nameAt,
  nodeAt,
  parseCommit,
  parseDelete,
  weightAt,
} from "./file_arguments.ts";

const EXPIRED = new CommandError(
  "FILEEXPIRED The deadline of the commit has passed, the file was not changed",
);
const TOO_LARGE = new CommandError(
  `ERR the sizes of all files together would be over ${Number.MAX_SAFE_INTEGER} bytes`,
);
const TOO_MANY_NODES = new CommandError(
  `FILENODE There are too many nodes for files, more than ${FILE_NODES_MAX}`,
);

/** `FILE COMMIT …` */
export function commit({ files, nowMs }: CommandContext, args: Arguments): Reply {
  const request = parseCommit(args);
  const { file, holders, deadlineMs, condition } = request;
  const known = files.findBlob(file.blob);
  if (known !== undefined) return replyAgain(known, request);
  if (deadlineMs !== 0 && nowMs > deadlineMs) throw EXPIRED;
  if (!isMet(condition, files.find(file.name))) return null;
  checkHolders(files, request);
  if (file.size > Number.MAX_SAFE_INTEGER - files.blobBytes) throw TOO_LARGE;
  return committed(files.commit(file, holders, nowMs));
}

/** The reply to a commit: what nobody but the log knows of the file. */
function committed({ version, createdVersion, createdMs, modifiedMs }: FileRecord): Reply {
  return [version, createdVersion, createdMs, modifiedMs];
}

/** The reply of a commit that is repeated. */
function replyAgain(blob: FileBlob, { file }: CommitRequest): Reply {
  const { name, size, sha256 } = file;
  if (!isLive(blob)) {
    throw new CommandError("FILEBLOB The content of that id was replaced or deleted");
  }
  if (blob.file.name !== name || blob.size !== size || blob.sha256 !== sha256) {
    throw new CommandError("FILEBLOB The id belongs to another file or content");
  }
  return committed(blob.file);
}

function isMet(condition: FileCondition, file: FileRecord | undefined): boolean {
  switch (condition) {
    case null:
      return true;
    case "absent":
      return file === undefined;
    case "present":
      return file !== undefined;
    default:
      return file?.version === condition;
  }
}

function checkHolders({ layout }: FileIndex, { file, holders }: CommitRequest): void {
  for (const id of holders) {
    const node = layout.find(id);
    if (node === undefined) throw new CommandError(`FILENODE The node ${id} is not in the layout`);
    const state = stateOfNode(node);
    if (state !== "up") throw new CommandError(`FILENODE The node ${id} is ${state}, not up`);
  }
  const copies = layout.placement.copiesOf(file);
  const majority = Math.floor(copies / 2) + 1;
  if (copies > 0 && holders.length < majority) {
    throw new CommandError(
      `FILECOPIES ${holders.length} of ${copies} copies are confirmed, ${majority} are necessary`,
    );
  }
}

/** `FILE DELETE name [IFVERSION v]` */
export function remove({ files }: CommandContext, args: Arguments): Reply {
  const name = nameAt(args, 2);
  const version = parseDelete(args);
  const file = files.find(name);
  if (file === undefined) return 0;
  if (version !== null && file.version !== version) return null;
  return files.delete(name) ? 1 : 0;
}

/** Checks the blobs of a request, from argument 3 on, before anything changes. */
function* checkBlobs(args: Arguments): Generator<void, void> {
  for (let index = 3; index < args.length; index++) {
    blobAt(args, index);
    if (index % KEYS_PER_STEP === 0) yield;
  }
}

/** The number of blobs for which `change` is true. */
function* countChanged(
  args: Arguments,
  change: (id: string) => boolean,
): Generator<void, Reply> {
  yield* checkBlobs(args);
  let changed = 0;
  for (let index = 3; index < args.length; index++) {
    if (change(argument(args, index))) changed++;
    if (index % KEYS_PER_STEP === 0) yield;
  }
  return changed;
}

/** `FILE HELD node blob …` */
export function held({ files }: CommandContext, args: Arguments): Generator<void, Reply> {
  const node = nodeAt(args, 2);
  if (files.layout.find(node) === undefined) {
    throw new CommandError(`FILENODE The node ${node} is not in the layout`);
  }
  return countChanged(args, (id) => files.hold(node, id));
}

/** `FILE LOST node blob …` */
export function lost({ files }: CommandContext, args: Arguments): Generator<void, Reply> {
  const node = nodeAt(args, 2);
  return countChanged(args, (id) => files.lose(node, id));
}

/** `FILE RELEASE node blob …` */
export function* release({ files }: CommandContext, args: Arguments): Generator<void, Reply> {
  const node = nodeAt(args, 2);
  yield* checkBlobs(args);
  const granted: number[] = [];
  for (let index = 3; index < args.length; index++) {
    granted.push(files.release(node, argument(args, index)) ? 1 : 0);
    if (index % KEYS_PER_STEP === 0) yield;
  }
  return granted;
}

/** `FILE NODE id address weight capacity-bytes free-bytes` */
export function announce({ files }: CommandContext, args: Arguments): Reply {
  const id = nodeAt(args, 2);
  const address = addressAt(args, 3);
  const weight = weightAt(args, 4);
  const capacityBytes = countAt(args, 5, "capacity-bytes");
  const freeBytes = countAt(args, 6, "free-bytes");
  const before = files.layout.find(id);
  if (before === undefined && files.layout.nodes.length >= FILE_NODES_MAX) throw TOO_MANY_NODES;
  const isDraining = before?.isDraining ?? false;
  files.setNode({ id, address, weight, capacityBytes, freeBytes, isOut: false, isDraining });
  return OK;
}

/** Changes a node. Returns whether it is there and was different. */
function changeNode(
  files: FileIndex,
  id: string,
  change: Partial<Pick<FileNode, "isOut" | "isDraining">>,
): 0 | 1 {
  const before = files.layout.find(id);
  if (before === undefined) return 0;
  const after = { ...before, ...change };
  if (after.isOut === before.isOut && after.isDraining === before.isDraining) return 0;
  files.setNode(after);
  return 1;
}

/** `FILE OUT id` */
export function putOut({ files }: CommandContext, args: Arguments): Reply {
  return changeNode(files, nodeAt(args, 2), { isOut: true });
}

/** `FILE DRAIN id [OFF]` */
export function drain({ files }: CommandContext, args: Arguments): Reply {
  const id = nodeAt(args, 2);
  if (args.length > 4 || (args.length === 4 && !isOption(argument(args, 3), "OFF"))) {
    throw SYNTAX_ERROR;
  }
  return changeNode(files, id, { isDraining: args.length === 3 });
}

/** `FILE FORGET id` */
export function* forget({ files }: CommandContext, args: Arguments): Generator<void, Reply> {
  const id = nodeAt(args, 2);
  if (!files.removeNode(id)) return 0;
  let after: string | null = "";
  while (files.heldBy(id).blobs > 0 && after !== null) {
    after = files.loseSome(id, after, KEYS_PER_STEP);
    yield;
  }
  return 1;
}
