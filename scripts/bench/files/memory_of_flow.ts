import { residentBytes, settledBytes } from "../processes.ts";
import { MarkdownTable, megabytes } from "../report.ts";
import type { Resources } from "../resources.ts";
import { deleteFiles, getFiles, putFiles } from "./curl.ts";
import { writeRandom } from "./file_loads.ts";
import { startFilesCluster } from "./files_cluster.ts";

const FILES = 4;

/** Measures the peak of each process's memory while contents flow in, and then out. */
export async function measureMemoryOfFlow(resources: Resources, fileBytes: number): Promise<void> {
  const { cluster, base, untilSettled } = await startFilesCluster(resources);
  const path = `${resources.temporaryDirectory()}/file`;
  writeRandom(path, fileBytes);
  const files = Array.from({ length: FILES }, (_, at) => ({ path, name: `flow/${at}` }));
  const members = [...cluster.nodes, ...cluster.proxies];
  const pids = members.map(({ process }) => process.processId);
  const total = megabytes(FILES * fileBytes);
  console.log(
    `\n${FILES} files of ${megabytes(fileBytes)} MB through the proxy, by one client and then by ` +
      `${FILES}; the peak of the resident memory (VmHWM) in MB.`,
  );
  const table = new MarkdownTable("flow", ...members.map(({ name }) => name));
  const row = (name: string, bytes: readonly number[]) => table.row(name, ...bytes.map(megabytes));
  row("before", await settledBytes(pids));
  const measure = async (name: string, flow: () => Promise<unknown>) => {
    pids.forEach(resetPeak);
    await flow();
    row(name, pids.map(peakBytes));
  };
  const each = files.map((file) => [file]);
  await measure(`${total} MB in, 1 client`, () => putFiles(base, files));
  await measure(`${total} MB out, 1 client`, () => getFiles(base, files));
  await deleteFiles(base, files);
  await untilSettled();
  await measure(
    `${total} MB in, ${FILES} clients`,
    () => Promise.all(each.map((one) => putFiles(base, one))),
  );
  await measure(
    `${total} MB out, ${FILES} clients`,
    () => Promise.all(each.map((one) => getFiles(base, one))),
  );
  row("at the end", pids.map(residentBytes));
}

/** The peak of a process's resident memory since `resetPeak`, in bytes. */
function peakBytes(pid: number): number {
  const [, kib] = /^VmHWM:\s*(\d+) kB/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`)) ?? [];
  return Number(kib) * 1024;
}

/** Makes the peak of a process's resident memory what it is now (proc(5), `clear_refs`). */
function resetPeak(pid: number): void {
  Deno.writeTextFileSync(`/proc/${pid}/clear_refs`, "5");
}
