import { messageOf, UserError } from "../base/errors.ts";
import { connectingSubcommand } from "./connecting.ts";
import { Download, PartFile, type Sink } from "./files/download.ts";
import { fileNameOf, shownName } from "./files/file_names.ts";
import { FileRefused, withFiles } from "./files/files_client.ts";
import { httpAddressFlag } from "./files/http_address.ts";
import { optional, text, toggle, typedOnly, UsageError, withShort } from "./flags.ts";
import { isThere } from "./offline/data_directories.ts";

/** The word for standard output. */
const STANDARD_OUTPUT = "-";

export const getSubcommand = connectingSubcommand({
  name: "get",
  summary: "read a file from the cluster",
  description:
    "Writes the file NAME to a file, which appears only when it is complete and its SHA-256 is " +
    "right. It is called FILE.part until then. If the connection breaks, the rest is asked for " +
    "again; --resume continues what an earlier run has left.",
  flags: {
    from: httpAddressFlag("HTTP port of any node or proxy"),
    output: withShort(
      "o",
      optional(text("FILE", {
        help: "Where to write it, - for standard output; by default the last part of NAME",
      })),
    ),
    resume: toggle({ help: "Continue with FILE.part, if it is there" }),
    force: typedOnly(toggle({ help: "Replace FILE if it exists" })),
  },
  words: "NAME",
  examples: [
    "regent get song.flac",
    "regent get music/song.flac --resume --from 10.0.0.2:8001",
    "regent get backups/src.tar -o - | tar x",
  ],
  async run({ from, output, resume, force }, words) {
    const [word] = words;
    if (word === undefined || words.length > 1) {
      throw new UsageError("Cannot start: expected the NAME of one file");
    }
    const name = fileNameOf(word);
    const path = output ?? lastPart(name);
    if (path === STANDARD_OUTPUT && resume) {
      throw new UsageError("Cannot use --resume with the standard output");
    }
    if (path === STANDARD_OUTPUT) {
      await explaining(
        name,
        () => withFiles(from, (files) => new Download(files, name).run(new StandardOutput())),
      );
      return 0;
    }
    refuseExisting(path, force);
    await explaining(name, () =>
      withFiles(from, async (files) => {
        const part = new PartFile(`${path}.part`);
        try {
          const startMs = performance.now();
          if (!resume) part.clear();
          const sizeBytes = await new Download(files, name).run(part);
          refuseExisting(path, force);
          part.publish(path);
          const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
          console.log(
            `${shownName(path)}: ${sizeBytes} bytes in ${seconds} s, the SHA-256 is right`,
          );
        } finally {
          part.close();
        }
      }));
    return 0;
  },
});

async function explaining<T>(name: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof FileRefused)) throw error;
    throw new UserError(`Cannot get ${name}: ${error.message}`, { cause: error });
  }
}

function refuseExisting(path: string, isForced: boolean): void {
  if (!isForced && isThere(path)) {
    throw new UserError(`Cannot write ${path}: it exists; give --force to replace it`);
  }
}

/** @throws {UsageError} when that is no name for a file on a disk */
function lastPart(name: string): string {
  const part = name.split("/").at(-1) ?? "";
  if (!["", ".", "..", STANDARD_OUTPUT].includes(part)) return part;
  throw new UsageError(`Cannot choose a file for ${name}: give --output FILE`);
}

class StandardOutput implements Sink {
  readonly sizeBytes = 0;
  readonly isRepeatable = false;

  hash(): Promise<void> {
    return Promise.resolve();
  }

  async write(chunk: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < chunk.length;) at += await Deno.stdout.write(chunk.subarray(at));
    } catch (error) {
      throw new UserError(`Cannot write to the standard output: ${messageOf(error)}`);
    }
  }

  clear(): void {}
}
