import type { Arguments } from "../base/byte_string.ts";
import { MapReply, type Reply } from "../resp/reply.ts";
import { formatRingId } from "../ring/ring_id.ts";
import { actionOf, healthOf, isLive } from "../store/file_health.ts";
import { stateOfNode } from "../store/file_layout.ts";
import type { FileBlob, FileRecord } from "../store/file_record.ts";
import { argument, isOption } from "./arguments.ts";
import { type CommandContext, KEYS_PER_STEP } from "./command.ts";
import { CommandError } from "./command_error.ts";
import { blobAt, nameAt, parseList, parseWork } from "./file_arguments.ts";
import { listFiles } from "./file_list.ts";

/** Number of blobs that one `FILE WORK` looks at. */
const WORK_BLOBS_MAX = 16_384;

type Pairs = readonly (readonly [Reply, Reply])[];

function recordReply(file: FileRecord, blob: FileBlob | undefined): Reply {
  const { name, version, size, sha256, type, copies, createdMs, modifiedMs, owner, tags } = file;
  const { createdVersion } = file;
  const pairs: Pairs = [
    ["name", name],
    ["version", version],
    ["size", size],
    ["sha256", sha256],
    ["type", type],
    ["blob", file.blob],
    ["copies", copies],
    ["created-version", createdVersion],
    ["created-ms", createdMs],
    ["modified-ms", modifiedMs],
    ["owner", owner],
    ["tags", tags],
    ["holders", blob?.holders ?? []],
  ];
  return new MapReply(pairs);
}

/** `FILE STAT name` */
export function stat({ files }: CommandContext, args: Arguments): Reply {
  const file = files.find(nameAt(args, 2));
  return file === undefined ? null : recordReply(file, files.findBlob(file.blob));
}

/** `FILE LIST …` */
export function* list({ files }: CommandContext, args: Arguments): Generator<void, Reply> {
  const request = parseList(args);
  const view = files.view();
  const page = yield* listFiles(view, request);
  return [page.cursor, page.files.map((file) => recordReply(file, view.blobs.get(file.blob)))];
}

/** `FILE WHERE name` */
export function where({ files }: CommandContext, args: Arguments): Reply {
  const file = files.find(nameAt(args, 2));
  const blob = file === undefined ? undefined : files.findBlob(file.blob);
  if (blob === undefined || !isLive(blob)) return null;
  const { placement } = files.layout;
  const wanted = placement.wanted(blob.file);
  return new MapReply([
    ["id", formatRingId(blob.file.ringId)],
    ["responsible", wanted[0] ?? ""],
    ["wanted", wanted],
    ["holders", blob.holders],
    ["health", healthOf(blob, placement)],
  ]);
}

/** `FILE NODES` */
export function nodes({ files }: CommandContext): Reply {
  const { nodes, revision, placement } = files.layout;
  return new MapReply([
    ["revision", revision],
    ["version", files.version],
    [
      "nodes",
      nodes.map((node) => {
        const { blobs, bytes } = files.heldBy(node.id);
        return new MapReply([
          ["id", node.id],
          ["address", node.address],
          ["weight", String(node.weight)],
          ["capacity", node.capacityBytes],
          ["free", node.freeBytes],
          ["state", stateOfNode(node)],
          ["ring-weight", String(placement.weightOf(node.id))],
          ["blobs", blobs],
          ["bytes", bytes],
        ]);
      }),
    ],
  ]);
}

/** `FILE WORK node [AFTER cursor] [COUNT n]` */
export function* work({ files }: CommandContext, args: Arguments): Generator<void, Reply> {
  const { node, after, count } = parseWork(args);
  const { blobs, layout, isSettled } = files.view();
  const tasks: Reply[] = [];
  if (isSettled) return ["", tasks];
  let last = after;
  let looked = 0;
  for (const blob of blobs.values(after)) {
    if (blob.id === after) continue;
    if (looked >= WORK_BLOBS_MAX || tasks.length >= count) return [last, tasks];
    last = blob.id;
    const action = actionOf(node, blob, layout.placement);
    if (action !== null) tasks.push([blob.id, action, blob.size, blob.sha256, blob.holders]);
    if (++looked % KEYS_PER_STEP === 0) yield;
  }
  return ["", tasks];
}

/** `FILE BLOBS blob …` */
export function* blobs({ files }: CommandContext, args: Arguments): Generator<void, Reply> {
  const view = files.view();
  const found: Reply[] = [];
  for (let index = 2; index < args.length; index++) {
    const blob = view.blobs.get(blobAt(args, index));
    if (blob === undefined) found.push(null);
    else found.push([isLive(blob) ? "live" : "dead", blob.size, blob.sha256, blob.holders]);
    if (index % KEYS_PER_STEP === 0) yield;
  }
  return found;
}

/** `FILE REPAIR STATUS` */
export function* repair({ files }: CommandContext, args: Arguments): Generator<void, Reply> {
  if (!isOption(argument(args, 2), "STATUS")) {
    throw new CommandError("ERR syntax error: expected FILE REPAIR STATUS");
  }
  const { nodes } = files.layout;
  const totals = yield* files.totals(KEYS_PER_STEP);
  const inState = (wanted: string) => nodes.filter((node) => stateOfNode(node) === wanted).length;
  return new MapReply([
    ["files", totals.files],
    ["bytes", totals.bytes],
    ["blobs", totals.blobs],
    ["dead", totals.dead],
    ["missing", totals.missing],
    ["missing-bytes", totals.missingBytes],
    ["missing-of-lost", totals.missingOfLost],
    ["below", totals.below],
    ["lost", totals.lost],
    ["surplus", totals.surplus],
    ["nodes", nodes.length],
    ["up", inState("up")],
    ["out", inState("out")],
    ["draining", inState("draining")],
  ]);
}
