import { HEALER_LIMITS } from "../../files/healer_limits.ts";
import { WEIGHT_MAX } from "../../ring/ring.ts";
import { FILE_COPIES_MAX } from "../../store/file_rules.ts";
import {
  bytes,
  decimal,
  type Flags,
  integer,
  optional,
  port as portFlag,
  type Values,
} from "../flags.ts";
import { isThere } from "../offline/data_directories.ts";
import type { FilesStorageOptions } from "./files.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** The flags of files that nodes and proxies have: of uploads. */
export const uploadFlags = {
  copies: integer("N", {
    help: "Number of copies of each file that is uploaded here, at most one on each node",
    defaultValue: 3,
    min: 1,
    max: FILE_COPIES_MAX,
  }),
} satisfies Flags;

/** The flags of a node's own part in files. */
export const fileFlags = {
  ...uploadFlags,
  filesPort: optional(portFlag({
    help: "Port at which the other nodes exchange contents of files with this one; by default " +
      "any free one, announced to the cluster",
  })),
  fileWeight: decimal("WEIGHT", {
    help: "Share of the files that this node holds, relative to other nodes and to the space of " +
      "their disks; 0: it holds none",
    defaultValue: 1,
    min: 0,
    max: WEIGHT_MAX,
  }),
  filesReserveBytes: bytes({
    help: "Space on the disk that files leave free, for the log and snapshots",
    defaultValue: GIB,
    min: 0,
    max: 1024 * GIB,
  }),
  filesOutMs: integer("MS", {
    help: "Time for which a node may be silent before its files are copied to other nodes",
    defaultValue: HEALER_LIMITS.outGraceMs,
    min: 1_000,
    max: 86_400_000,
  }),
  filesRepairBytes: bytes({
    help: "Maximum number of bytes a second that this node copies to repair or move files",
    defaultValue: HEALER_LIMITS.repairBytesPerSecond,
    min: 64 * 1024,
    max: 64 * GIB,
  }),
  filesScrubBytes: bytes({
    help: "Maximum number of bytes a second that this node reads to find corrupt files",
    defaultValue: HEALER_LIMITS.scrubBytesPerSecond,
    min: 64 * 1024,
    max: 64 * GIB,
  }),
} satisfies Flags;

/** Whether a node has a part in files, whose contents are in this directory. */
export function holdsFiles({ fileWeight }: Values<typeof fileFlags>, directory: string): boolean {
  return fileWeight > 0 || isThere(directory);
}

/**
 * A node's part in files.
 *
 * @returns `null` if it has none: its weight is 0, and it has never held any
 */
export function filesStorage(
  values: Values<typeof fileFlags>,
  { host, directory, ...place }:
    & Pick<FilesStorageOptions, "nodeId" | "clusterId" | "directory" | "advertisedHost">
    & { readonly host: string },
): FilesStorageOptions | null {
  if (!holdsFiles(values, directory)) return null;
  return {
    ...place,
    directory,
    listen: { host, port: values.filesPort ?? 0 },
    weight: values.fileWeight,
    reserveBytes: values.filesReserveBytes,
    limits: {
      outGraceMs: values.filesOutMs,
      repairBytesPerSecond: values.filesRepairBytes,
      scrubBytesPerSecond: values.filesScrubBytes,
    },
  };
}
