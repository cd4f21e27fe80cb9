import { UserError } from "../base/errors.ts";
import { connectingSubcommand } from "./connecting.ts";
import { fileNameOf, shownName } from "./files/file_names.ts";
import { FileRefused, type FilesClient, type ListedFile, withFiles } from "./files/files_client.ts";
import { httpAddressFlag } from "./files/http_address.ts";
import { choice, toggle, UsageError } from "./flags.ts";
import { table } from "./table.ts";

const SORTS = ["name", "size", "date"] as const;
/** Number of files whose rows share the widths of their columns. */
const ROWS_MAX = 1_000;

export const filesSubcommand = connectingSubcommand({
  name: "files",
  summary: "list files, delete some, or tell where one lies",
  description:
    "Lists the names of all files, or of those with PREFIX. `rm` deletes files. `where` shows " +
    "the nodes that hold a file and those that should, and whether all is well with it: healthy, " +
    "moving, degraded or lost. `list` stands before a prefix that is one of these words.",
  flags: {
    from: httpAddressFlag("HTTP port of any node or proxy"),
    long: toggle({ help: "Show the size in bytes, the time, the copies and the version as well" }),
    json: toggle({ help: "Print each file as JSON, in a line of its own" }),
    sort: choice<typeof SORTS[number]>(SORTS, {
      help: "What to sort by; date is that of the last change",
      defaultValue: "name",
    }),
    reverse: toggle({ help: "Print the last one first" }),
  },
  words: "[[list] PREFIX | rm NAME… | where NAME…]",
  examples: [
    "regent files",
    "regent files music/ --long --sort date --reverse",
    "regent files where music/song.flac",
    "regent files rm music/song.flac",
  ],
  async run({ from, long, json, sort, reverse }, [word = "", ...others]) {
    if (word === "rm" || word === "where") {
      if (others.length === 0) {
        throw new UsageError(`Cannot start: expected the NAME after ${word}`);
      }
      if (long || reverse || sort !== "name" || (json && word === "rm")) {
        throw new UsageError(`Cannot use ${word} with flags of lists`);
      }
      const names = others.map(fileNameOf);
      return await withFiles(
        from,
        (files) => word === "rm" ? remove(files, names) : showPlaces(files, names, json),
      );
    }
    const prefixes = word === "list" ? others : [word, ...others];
    if (prefixes.length > 1) throw new UsageError(`Unexpected argument: ${prefixes[1]}`);
    if (long && json) throw new UsageError("Cannot use --long with --json");
    const [prefix = ""] = prefixes;
    await withFiles(from, async (files) => {
      const listed = files.list({
        prefix: prefix.normalize("NFC"),
        by: sort,
        isReversed: reverse,
      });
      await explaining("list the files", () => show(listed, { isLong: long, isJson: json }));
    });
    return 0;
  },
});

interface Look {
  readonly isLong: boolean;
  readonly isJson: boolean;
}

async function show(files: AsyncIterable<ListedFile>, { isLong, isJson }: Look): Promise<void> {
  const heading = ["size", "modified", "copies", "version", "name"];
  let rows = [heading];
  for await (const file of files) {
    if (isJson) console.log(JSON.stringify(file));
    else if (!isLong) console.log(shownName(file.name));
    else {
      rows.push(rowOf(file));
      if (rows.length <= ROWS_MAX) continue;
      console.log(table(rows));
      rows = [];
    }
  }
  if (isLong && rows.length > 0) console.log(table(rows));
}

function rowOf({ size, modifiedMs, copies, version, name }: ListedFile): string[] {
  const modified = new Date(modifiedMs).toISOString().replace("T", " ").replace(/\.\d+Z$/, "Z");
  return [String(size), modified, String(copies), String(version), shownName(name)];
}

/** Deletes all of these files, also when one cannot be deleted. */
async function remove(files: FilesClient, names: readonly string[]): Promise<number> {
  let exitCode = 0;
  for (const name of names) {
    try {
      await files.delete(name, null);
      console.log(`${shownName(name)} is deleted`);
    } catch (error) {
      if (!(error instanceof FileRefused)) throw error;
      console.error(`regent: Cannot delete ${shownName(name)}: ${error.message}`);
      exitCode = 1;
    }
  }
  return exitCode;
}

async function showPlaces(
  files: FilesClient,
  names: readonly string[],
  isJson: boolean,
): Promise<number> {
  const rows = [["id", "responsible", "wanted", "holders", "health", "name"]];
  let exitCode = 0;
  for (const name of names) {
    try {
      const place = await files.where(name);
      if (isJson) console.log(JSON.stringify({ name, ...place }));
      const { id, responsible, wanted, holders, health } = place;
      const list = (nodes: readonly string[]) => nodes.join(",") || "-";
      const nodes = [responsible || "-", list(wanted), list(holders)];
      rows.push([id, ...nodes, health, shownName(name)]);
    } catch (error) {
      if (!(error instanceof FileRefused)) throw error;
      console.error(`regent: Cannot find ${shownName(name)}: ${error.message}`);
      exitCode = 1;
    }
  }
  if (!isJson && rows.length > 1) console.log(table(rows));
  return exitCode;
}

async function explaining(what: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof FileRefused)) throw error;
    throw new UserError(`Cannot ${what}: ${error.message}`, { cause: error });
  }
}
