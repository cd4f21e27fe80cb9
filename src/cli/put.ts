import { UserError } from "../base/errors.ts";
import { connectingSubcommand } from "./connecting.ts";
import { shownName } from "./files/file_names.ts";
import { FileRefused, type FilesClient, type PutRequest, withFiles } from "./files/files_client.ts";
import { httpAddressFlag } from "./files/http_address.ts";
import { Content, type Source, sourcesOf, STANDARD_INPUT } from "./files/sources.ts";
import { integer, optional, text, toggle, UsageError } from "./flags.ts";
import { ProgressLine } from "./progress.ts";

/** Maximum number of attempts to upload a file. */
const ATTEMPTS_MAX = 6;
const RETRY_MS = 1_000;
const RETRY_MS_MAX = 15_000;

export const putSubcommand = connectingSubcommand({
  name: "put",
  summary: "store files in the cluster",
  description:
    "Stores each FILE under its own name, or under --name, and returns when a majority of its " +
    "copies are on disks. Nobody sees a part of it. What the cluster has stored is compared with " +
    "what was sent, by SHA-256. `-` is the standard input. While the cluster has no leader or is " +
    "busy, the upload begins again.",
  flags: {
    to: httpAddressFlag("HTTP port of any node or proxy"),
    name: optional(text("NAME", { help: "Name for the only FILE; by default its own" })),
    prefix: text("TEXT", { help: "Stands before each name, such as music/", defaultValue: "" }),
    recursive: toggle({ help: "Store everything in directories, as DIR/…" }),
    copies: optional(integer("N", {
      help: "Number of nodes that get a copy; by default as the cluster is set up",
      min: 1,
      max: 16,
    })),
    type: optional(text("TYPE", {
      help: "Media type, such as audio/flac; by default what the name's ending says",
    })),
    ifMatch: optional(integer("VERSION", {
      help: "Only replace this version, which `regent files --long` shows",
      min: 1,
      max: Number.MAX_SAFE_INTEGER,
    })),
    ifAbsent: toggle({ help: "Only create files, replace none" }),
  },
  words: "FILE…",
  examples: [
    "regent put song.flac",
    "regent put --recursive --prefix music/ albums",
    "tar c src | regent put - --name backups/src.tar --to 10.0.0.2:8001",
  ],
  async run(values, paths) {
    const { to, name, prefix, recursive, ifMatch, ifAbsent } = values;
    if (paths.length === 0) throw new UsageError("Cannot start: expected the FILE to store");
    if (name !== undefined && (paths.length > 1 || recursive)) {
      throw new UsageError("Cannot use --name with several files: use --prefix");
    }
    if (name === undefined && paths.includes(STANDARD_INPUT)) {
      throw new UsageError("Cannot store the standard input without --name NAME");
    }
    if (ifMatch !== undefined && ifAbsent) {
      throw new UsageError("Cannot use --if-match with --if-absent");
    }
    if (ifMatch !== undefined && (paths.length > 1 || recursive)) {
      throw new UsageError("Cannot use --if-match with several files");
    }
    const condition = ifMatch === undefined ? null : { ifVersion: ifMatch };
    const sources = sourcesOf(paths, {
      ...{ name, prefix, isRecursive: recursive },
      onSkipped: (path) => console.error(`regent: skips ${path}: it is no file`),
    });
    await withFiles(to, async (files) => {
      for (const source of sources) {
        await put(files, source, { ...values, condition: ifAbsent ? "absent" : condition });
      }
    });
    return 0;
  },
});

type Options = Pick<PutRequest, "type" | "copies" | "condition">;

/** Stores a file, and begins again while the cluster cannot take it. */
async function put(files: FilesClient, source: Source, options: Options): Promise<void> {
  const { path, name } = source;
  for (let attempt = 1;; attempt++) {
    const content = Content.open(path);
    const progress = new ProgressLine({ name, totalBytes: content.sizeBytes });
    try {
      const startMs = performance.now();
      let sent = 0;
      const body = content.chunks((bytes) => {
        sent = bytes;
        progress.show(bytes);
      });
      const { type, copies, condition = null } = options;
      const { sizeBytes } = content;
      const stored = await files.put({ name, body, sizeBytes, type, copies, condition });
      progress.end();
      if (stored.sha256 !== content.sha256()) {
        throw new UserError(
          `Cannot trust ${name}: what the cluster has stored is not what was sent; put it again`,
        );
      }
      const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
      console.log(`${shownName(name)}: version ${stored.version}, ${sent} bytes in ${seconds} s`);
      return;
    } catch (error) {
      progress.end();
      if (!(error instanceof FileRefused)) throw error;
      const canRetry = error.status === 503 && content.isRepeatable && attempt < ATTEMPTS_MAX;
      if (!canRetry) {
        throw new UserError(`Cannot put ${name}: ${error.message}`, { cause: error });
      }
      const waitMs = Math.min(error.retryAfterMs ?? RETRY_MS * 2 ** (attempt - 1), RETRY_MS_MAX);
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    } finally {
      content.close();
    }
  }
}
