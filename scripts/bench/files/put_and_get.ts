import { alternate, termOf } from "../peers.ts";
import { MarkdownTable, median } from "../report.ts";
import { withResources } from "../resources.ts";
import { deleteFiles, getFiles, putFiles } from "./curl.ts";
import { copyAndSync } from "./disk_copies.ts";
import { type FileLoad, type FileSizes, type LoadFile, loadsOf, writeFiles } from "./file_loads.ts";
import { type FilesCluster, startFilesCluster } from "./files_cluster.ts";
import { startNginx } from "./nginx.ts";

const MB = 1e6;

/** Measures PUT beside `cp` and `sync`, and GET beside nginx. */
export async function measurePutAndGet(rounds: number, sizes: FileSizes): Promise<void> {
  console.log(
    "\nThrough the proxy, by curl. `PUT` and `GET` are rates of contents, and the ratio is to what " +
      "stands beside them: `cp` of the same files three times with `sync`, and nginx on the same " +
      "files.",
  );
  const table = new MarkdownTable(
    ...["files", "clients", "PUT", "cp + sync", "ratio", "GET", "nginx", "ratio"],
    "elections",
  );
  for (const load of loadsOf(sizes)) {
    // A cluster of its own, so that what was deleted before takes no room and no time.
    await withResources(async (resources) => {
      const directory = resources.temporaryDirectory();
      const clients = writeFiles(directory, load);
      const cluster = await startFilesCluster(resources);
      const nginx = await startNginx(resources, directory);
      const term = await termOf(cluster.cluster);
      const bench = new LoadBench(load, clients, cluster, () => resources.temporaryDirectory());
      const puts = await alternate(rounds, ["cp", "regent"], (target) => bench.put(target));
      await bench.putForGets();
      const gets = nginx === null
        ? { ...await alternate(rounds, ["regent"], () => bench.get(cluster.base)), nginx: [] }
        : await alternate(
          rounds,
          ["nginx", "regent"],
          (target) => bench.get(target === "nginx" ? nginx : cluster.base),
        );
      const elections = await termOf(cluster.cluster) - term;
      const rates = (regent: readonly number[], other: readonly number[]) => [
        bench.rateText(median(regent)),
        other.length === 0 ? "-" : bench.rateText(median(other)),
        other.length === 0 ? "-" : `**${(median(regent) / median(other)).toFixed(2)}**`,
      ];
      table.row(
        load.name,
        load.clients,
        ...rates(puts.regent, puts.cp),
        ...rates(gets.regent, gets.nginx),
        elections,
      );
    });
  }
}

class LoadBench {
  readonly #load: FileLoad;
  readonly #clients: readonly (readonly LoadFile[])[];
  readonly #cluster: FilesCluster;
  readonly #newDirectory: () => string;

  constructor(
    load: FileLoad,
    clients: readonly (readonly LoadFile[])[],
    cluster: FilesCluster,
    newDirectory: () => string,
  ) {
    this.#load = load;
    this.#clients = clients;
    this.#cluster = cluster;
    this.#newDirectory = newDirectory;
  }

  /** Files per second for many, bytes per second for large ones. */
  rateText(filesPerSecond: number): string {
    const { files, clients, bytes } = this.#load;
    if (files > clients) return `${filesPerSecond.toFixed(0)} files/s`;
    return `${(filesPerSecond * bytes / MB).toFixed(0)} MB/s`;
  }

  /** @returns files per second */
  async put(target: "cp" | "regent"): Promise<number> {
    const { base } = this.#cluster;
    const directory = this.#newDirectory();
    const rate = await this.#rate(() =>
      target === "cp"
        ? copyAndSync(directory, this.#clients)
        : this.#each((files) => putFiles(base, files))
    );
    Deno.removeSync(directory, { recursive: true });
    Deno.mkdirSync(directory); // what removes it at the end expects it
    if (target === "regent") {
      await this.#each((files) => deleteFiles(base, files));
      await this.#cluster.untilSettled();
    }
    return rate;
  }

  async putForGets(): Promise<void> {
    await this.#each((files) => putFiles(this.#cluster.base, files));
    await this.#cluster.untilSettled();
  }

  /** @returns files per second */
  get(base: string): Promise<number> {
    return this.#rate(() => this.#each((files) => getFiles(base, files)));
  }

  async #each(run: (files: readonly LoadFile[]) => Promise<void>): Promise<void> {
    await Promise.all(this.#clients.map(run));
  }

  async #rate(run: () => Promise<void>): Promise<number> {
    const startMs = performance.now();
    await run();
    return this.#load.files / ((performance.now() - startMs) / 1000);
  }
}
