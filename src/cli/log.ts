import { dumpLog } from "../node/log/dump_log.ts";
import { DenoDisk } from "../platform/deno_disk.ts";
import { subcommand } from "./command_line.ts";
import { directoryFlag, toggle } from "./flags.ts";

export const logSubcommand = subcommand({
  name: "log",
  summary: "print a node's log as text",
  description:
    "Prints the log of a node: one line for each entry, each change of term or vote, and each " +
    "segment. Nothing is changed, and the node may be running. The exit code is 1 if a part of " +
    "the log cannot be read.",
  flags: {
    dir: directoryFlag({ help: "The node's data directory" }),
    full: toggle({ help: "Print long values in full" }),
  },
  examples: ["regent log --dir data/n1"],
  run({ dir, full }) {
    const disk = DenoDisk.openForReading(dir);
    let isWhole = true;
    try {
      for (const line of dumpLog(disk, { full })) {
        if (line.startsWith("error:")) isWhole = false;
        console.log(line);
      }
    } finally {
      disk.close();
    }
    return Promise.resolve(isWhole ? 0 : 1);
  },
});
