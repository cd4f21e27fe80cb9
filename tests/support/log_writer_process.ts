/**
 * Appends entries to the log in the directory named by the first argument until it is killed, and
 * prints the index of the last entry that is durable, one line each.
 */
import { openDataDirectory } from "../../src/node/log/data_directory.ts";
import { DenoDisk } from "../../src/platform/deno_disk.ts";
import { entriesOf } from "./log_entries.ts";

const root = Deno.args[0] ?? "";
const encoder = new TextEncoder();
const disk = await DenoDisk.open(root);
const { log } = openDataDirectory(disk, {
  nodeId: "n1",
  nonce: "nonce",
  clusterId: "c1",
  members: new Map([["n1", "127.0.0.1:17001"]]),
  segmentBytesMax: 200_000,
  onFailure: (error) => {
    throw error;
  },
});

function appendNext(): void {
  const first = log.lastIndex() + 1;
  log.append(null, entriesOf(first, first + 4, 1, 500), () => {
    Deno.stdout.writeSync(encoder.encode(`${first + 4}\n`));
    appendNext();
  });
}

appendNext();
appendNext();
