import { dirname } from "node:path";
import { formatAddress } from "../base/address.ts";
import { latin1Bytes } from "../base/bytes.ts";
import { messageOf, UserError } from "../base/errors.ts";
import { DenoDisk } from "../platform/deno_disk.ts";
import type { Address } from "../platform/network.ts";
import { ErrorReply, type Reply } from "../resp/reply.ts";
import { StateLoader } from "../store/state_loader.ts";
import { connectingSubcommand } from "./connecting.ts";
import { filesInBackup } from "./files/backed_up_files.ts";
import { ContentsDirectory } from "./files/contents_backup.ts";
import { shownName } from "./files/file_names.ts";
import { withFiles } from "./files/files_client.ts";
import { httpAddressFlag } from "./files/http_address.ts";
import {
  addressFlag,
  directoryFlag,
  optional,
  readAddress,
  toggle,
  typedOnly,
  UsageError,
} from "./flags.ts";
import { logIn, logInFlags } from "./log_in.ts";
import { isThere } from "./offline/data_directories.ts";
import { type CheckedSnapshot, readSnapshotFile } from "./offline/snapshot_file.ts";
import { ProgressLine } from "./progress.ts";
import { ConnectionLost, fieldsOf, RespClient } from "./resp_client.ts";

/** Time limit of taking the snapshot, in milliseconds. A million keys take some seconds. */
const BEGIN_MS_MAX = 10 * 60_000;
const READ_MS_MAX = 30_000;
const READ_BYTES = 256 * 1024;
/** Maximum number of times that the state is backed up, while files change. */
const ROUNDS_MAX = 5;
/** Maximum number of reads in flight. */
const READS_MAX = 4;

export const backupSubcommand = connectingSubcommand({
  name: "backup",
  summary: "write the state of a running cluster to a file",
  description:
    "Asks a node for a snapshot with everything acknowledged so far, and writes it to FILE, " +
    "which appears only when it is complete and checked. The cluster keeps serving meanwhile. " +
    "Through a proxy, the snapshot comes from a follower if possible. `regent restore` creates a " +
    "new cluster from the file. The contents of files are not in it: with --files, they are " +
    "copied into DIR, which several backups may share. What is there already is checked and not " +
    "copied again, so that a backup that was interrupted can be repeated.",
  flags: {
    from: {
      ...addressFlag({ help: "Address for clients of a node or proxy" }),
      defaultValue: { host: "127.0.0.1", port: 7000 },
      defaultText: "127.0.0.1:7000",
      isRequired: false,
    },
    files: optional(directoryFlag({ help: "Copy the contents of files into this directory" })),
    http: httpAddressFlag("With --files: HTTP port of any node or proxy"),
    force: typedOnly(toggle({ help: "Replace FILE if it exists" })),
    ...logInFlags,
  },
  words: "FILE",
  examples: [
    "regent backup monday.backup",
    "regent backup --from 10.0.0.2:7001 --force /backups/newest.backup",
    "regent backup monday.backup --files contents --http 127.0.0.1:8000",
  ],
  async run({ from, files, http, force, ...who }, words) {
    await logIn(who);
    const path = onlyFile(words);
    refuseExisting(path, force);
    if (files === undefined) await backUpState(from, path, force);
    else await backUpAll(from, http, { path, directory: files, isForced: force });
    return 0;
  },
});

/** Writes the state to the file. */
async function backUpState(from: Address, path: string, force: boolean): Promise<void> {
  const startMs = performance.now();
  const { address, client, held } = await begin(from);
  const partial = `${path}.partial`;
  try {
    await download(client, held, partial);
  } catch (error) {
    removeIfThere(partial);
    if (!(error instanceof ConnectionLost)) throw error;
    throw new UserError(
      `Cannot finish the backup: the connection to ${formatAddress(address)} was lost: ` +
        error.message,
    );
  } finally {
    client.close();
  }
  const { keys } = publish(partial, path, held, force);
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  console.log(
    `${path}: everything up to entry ${held.index}, ${keys} keys, ${held.sizeBytes} bytes ` +
      `from ${formatAddress(address)} in ${seconds} s`,
  );
}

interface Places {
  /** The file for the state. */
  readonly path: string;
  /** The directory for contents. */
  readonly directory: string;
  readonly isForced: boolean;
}

/**
 * Writes the state, and then the contents that it describes. Some may be gone by then, since their
 * files were replaced or deleted meanwhile. So both are done again, which takes a shorter time.
 */
async function backUpAll(from: Address, http: Address, places: Places): Promise<void> {
  const { path, directory, isForced } = places;
  const contents = new ContentsDirectory(directory);
  for (let round = 1;; round++) {
    await backUpState(from, path, isForced || round > 1);
    const startMs = performance.now();
    const files = filesInBackup(path);
    const { copied, copiedBytes, kept, changed, failed } = await withFiles(
      http,
      (client) => contents.copy(client, files),
    );
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    console.log(
      `${directory}: ${copied} contents copied, ${copiedBytes} bytes in ${seconds} s; ` +
        `${kept} were there`,
    );
    const [first] = failed;
    if (first !== undefined) {
      throw new UserError(
        `Cannot finish the backup: ${failed.length} files cannot be read, among them ` +
          `${shownName(first.file.name)}: ${first.reason}`,
      );
    }
    if (changed.length === 0) return;
    if (round === ROUNDS_MAX) {
      throw new UserError(
        `Cannot finish the backup: files change faster than they are copied; ${changed.length} ` +
          "contents are missing; run it again",
      );
    }
    console.log(`${changed.length} files were replaced or deleted meanwhile: once more`);
  }
}

/** A snapshot that a node keeps for this client. */
interface HeldSnapshot {
  readonly id: string;
  readonly index: number;
  readonly sizeBytes: number;
  readonly checksum: number;
}

interface BegunSnapshot {
  readonly address: Address;
  readonly client: RespClient;
  readonly held: HeldSnapshot;
}

function onlyFile(words: readonly string[]): string {
  const [file] = words;
  if (file === undefined || words.length > 1) {
    throw new UsageError("Cannot start: expected one FILE to write");
  }
  return file;
}

function refuseExisting(path: string, isForced: boolean): void {
  if (!isForced && isThere(path)) {
    throw new UserError(`Cannot write ${path}: it exists; give --force to replace it`);
  }
}

/**
 * Asks the node for a snapshot, or the proxy's nodes one after the other.
 *
 * @throws {UserError} when none gives a snapshot
 */
async function begin(from: Address): Promise<BegunSnapshot> {
  const reasons: string[] = [];
  let addresses = [from];
  try {
    addresses = await nodesAt(from);
  } catch (error) {
    if (!(error instanceof ConnectionLost)) throw error;
    throw new UserError(`Cannot reach ${formatAddress(from)}: ${error.message}`);
  }
  for (const address of addresses) {
    try {
      return await beginAt(address);
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      reasons.push(`${formatAddress(address)}: ${error.message}`);
    }
  }
  throw new UserError(`Cannot get a snapshot: ${reasons.join("; ") || "the proxy knows no node"}`);
}

/** The node itself or, for a proxy, its responsive nodes, followers first. */
async function nodesAt(from: Address): Promise<Address[]> {
  const client = await RespClient.connect(from);
  try {
    const role = fieldsOf(await client.request(["CLUSTER", "ROLE"]));
    const nodes = role.get("nodes");
    if (role.get("role") !== "proxy" || !Array.isArray(nodes)) return [from];
    const known = nodes.map((node) => fieldsOf(node as Reply))
      .filter((node) => node.get("responsive") === 1);
    const rank = (node: Map<string, Reply>) => node.get("role") === "leader" ? 1 : 0;
    return known.sort((left, right) => rank(left) - rank(right))
      .map((node) => readAddress(String(node.get("address"))));
  } finally {
    client.close();
  }
}

async function beginAt(address: Address): Promise<BegunSnapshot> {
  const client = await RespClient.connect(address);
  try {
    const fields = fieldsOf(await client.request(["SNAPSHOT", "BEGIN"], BEGIN_MS_MAX));
    const number = (name: string) => Number(fields.get(name));
    const held = {
      id: String(fields.get("id")),
      index: number("index"),
      sizeBytes: number("size-bytes"),
      checksum: number("checksum"),
    };
    return { address, client, held };
  } catch (error) {
    client.close();
    throw error;
  }
}

/** Downloads the snapshot with several reads in flight, so that neither side has to wait. */
async function download(client: RespClient, held: HeldSnapshot, partial: string): Promise<void> {
  const { id, sizeBytes } = held;
  const file = openPartial(partial);
  const progress = new ProgressLine({ totalBytes: sizeBytes });
  const reads: Promise<Reply>[] = [];
  try {
    let asked = 0;
    for (let written = 0; written < sizeBytes;) {
      for (; reads.length < READS_MAX && asked < sizeBytes; asked += READ_BYTES) {
        const args = ["SNAPSHOT", "READ", id, String(asked), String(READ_BYTES)];
        const read = client.request(args, READ_MS_MAX);
        read.catch(() => {}); // awaited later, unless an earlier one fails
        reads.push(read);
      }
      const reply = await reads.shift();
      if (reply instanceof ErrorReply) throw new ConnectionLost(reply.text);
      const bytes = latin1Bytes(String(reply));
      const wantedBytes = Math.min(READ_BYTES, sizeBytes - written);
      if (bytes.length !== wantedBytes) throw new ConnectionLost("it sent too few bytes");
      writeAll(file, bytes, partial);
      written += bytes.length;
      progress.show(written);
    }
    file.syncSync();
  } finally {
    progress.end();
    file.close();
  }
}

/** Checks the content on the disk and gives the file its final name. */
function publish(
  partial: string,
  path: string,
  held: HeldSnapshot,
  isForced: boolean,
): { readonly keys: number } {
  try {
    const { checked, keys } = check(partial);
    if (checked.checksum !== held.checksum || checked.sizeBytes !== held.sizeBytes) {
      throw new UserError(
        `Cannot use ${partial}: it is not what the node sent; run the backup again`,
      );
    }
    refuseExisting(path, isForced);
    Deno.renameSync(partial, path);
    DenoDisk.openForReading(dirname(path)).syncDirectoryNow("");
    return { keys };
  } catch (error) {
    removeIfThere(partial);
    throw error;
  }
}

function check(path: string): { readonly checked: CheckedSnapshot; readonly keys: number } {
  const loader = new StateLoader();
  const chunks = readSnapshotFile(path);
  let next = chunks.next();
  if (next.done !== true) loader.push(next.value);
  while (next.done !== true) next = chunks.next();
  return { checked: next.value, keys: loader.keysAnnounced ?? 0 };
}

function openPartial(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { write: true, create: true, truncate: true, mode: 0o600 });
  } catch (error) {
    throw new UserError(`Cannot write ${path}: ${messageOf(error)}`);
  }
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array, path: string): void {
  try {
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  } catch (error) {
    throw new UserError(`Cannot write ${path}: ${messageOf(error)}`);
  }
}

function removeIfThere(path: string): void {
  if (isThere(path)) Deno.removeSync(path);
}
