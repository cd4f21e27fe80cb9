import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { describeEntry, entriesOf } from "../../tests/support/log_entries.ts";
import { UserError } from "../base/errors.ts";
import { openDataDirectory } from "../node/log/data_directory.ts";
import { DenoDisk } from "./deno_disk.ts";

async function withDirectory(run: (root: string) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir({ prefix: "regent-disk-" });
  try {
    await run(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("what the system takes or gives in pieces is taken and given whole", () =>
  withDirectory(async (root) => {
    const { writeSync, readSync } = Deno.FsFile.prototype;
    const disk = await DenoDisk.open(root);
    try {
      Deno.FsFile.prototype.writeSync = function (bytes) {
        return writeSync.call(this, bytes.subarray(0, 3));
      };
      Deno.FsFile.prototype.readSync = function (into) {
        return readSync.call(this, into.subarray(0, 2));
      };
      const file = disk.open("x", "create");
      file.write(bytes("hello world"), 0);
      const into = new Uint8Array(9);
      file.read(into, 1);
      assertEquals(into, bytes("ello worl"));
      file.close();
    } finally {
      Object.assign(Deno.FsFile.prototype, { writeSync, readSync });
    }
    assertEquals(disk.read("x"), bytes("hello world"));
    disk.close();
  }));

Deno.test("files and directories", () =>
  withDirectory(async (root) => {
    const disk = await DenoDisk.open(`${root}/a/b`);
    assertEquals([disk.list(""), disk.list("log")], [["lock"], []]);
    assertEquals(disk.read("log/x"), null);
    disk.makeDirectory("log");
    disk.makeDirectory("log");
    const file = disk.open("log/x", "create");
    assertThrows(() => disk.open("log/x", "create"));
    assertThrows(() => disk.open("log/y", "existing"));
    file.write(bytes("hello"), 3);
    assertEquals([file.sizeBytes(), disk.read("log/x")], [8, bytes("\0\0\0hello")]);
    const into = new Uint8Array(4);
    file.read(into, 4);
    assertEquals(into, bytes("ello"));
    assertThrows(() => file.read(into, 5), Error, "the file ends after 3");
    file.write(bytes("lo"), 6);
    file.write(bytes("!?"), 8);
    file.read(into, 6);
    assertEquals(into, bytes("lo!?"));
    file.write(bytes("lo!"), 6);
    assertEquals(disk.read("log/x"), bytes("\0\0\0hello!?"));
    file.truncate(5);
    assertEquals(file.sizeBytes(), 5);
    const later = (run: (done: (error: Error | null) => void) => void) => new Promise(run);
    assertEquals(await later((done) => file.writeLater(bytes("hello"), 3, done)), null);
    const whole = new Uint8Array(4);
    assertEquals(await later((done) => file.readLater(whole, 4, done)), null);
    assertEquals(whole, bytes("ello"));
    const failure = await later((done) => file.readLater(whole, 6, done));
    assertEquals(
      (failure as Error).message,
      "Cannot read 4 bytes of log/x at 6: the file ends after 2",
    );
    file.write(bytes("!"), 8);
    assertEquals(disk.read("log/x"), bytes("\0\0\0hello!"));
    file.truncate(5);
    assertEquals(await later((done) => disk.syncDirectory("log", done)), null);
    const missing = await later((done) => disk.syncDirectory("nowhere", done));
    assertEquals(missing instanceof Deno.errors.NotFound, true);
    file.syncNow();
    const error = await new Promise((resolve) => file.sync(resolve));
    assertEquals(error, null);
    file.close();
    disk.open("log/y", "create").close();
    disk.rename("log/x", "log/y");
    disk.syncDirectoryNow("log");
    assertEquals([disk.list("log"), disk.read("log/y")], [["y"], bytes("\0\0\0he")]);
    disk.remove("log/y");
    assertEquals(disk.list("log"), []);
    disk.close();
  }));

Deno.test("a sync of a closed file is told as an error", () =>
  withDirectory(async (root) => {
    const disk = await DenoDisk.open(root);
    const file = disk.open("x", "create");
    file.close();
    const error = await new Promise((resolve) => file.sync(resolve));
    assert(error instanceof Error);
    disk.close();
  }));

Deno.test("a directory that cannot be made or read is the user's to mend", () =>
  withDirectory(async (root) => {
    Deno.writeTextFileSync(`${root}/file`, "");
    await assertRejects(() => DenoDisk.open(`${root}/file/n1`), UserError, "Cannot use");
    await assertRejects(() => DenoDisk.open(`${root}/file`), UserError, "Cannot use");
    assertThrows(() => DenoDisk.openForReading(`${root}/none`), UserError, "Cannot read");
    assertThrows(() => DenoDisk.openForReading(`${root}/file`), UserError, "is no directory");
  }));

/** A process that writes a log until it is killed. */
function startWriter(root: string) {
  const script = new URL("../../tests/support/log_writer_process.ts", import.meta.url);
  const args = ["run", "--no-check", "--allow-read", "--allow-write", script.href, root];
  const child = new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  return {
    pid: child.pid,
    /** Reads until the writer has told of an index that is durable and not below this one. */
    async reach(index: number): Promise<number> {
      for (;;) {
        const last = Number(text.slice(0, text.lastIndexOf("\n")).split("\n").at(-1));
        if (text.includes("\n") && last >= index) return last;
        const { value, done } = await lines.read();
        if (done) throw new Error(`The writer ended after ${text}`);
        text += value;
      }
    },
    /** Kills it, and returns the last index that it told of. */
    async kill(): Promise<number> {
      child.kill("SIGKILL");
      for (;;) {
        const { value, done } = await lines.read();
        if (done) break;
        text += value;
      }
      await child.status;
      return Number(text.slice(0, text.lastIndexOf("\n")).split("\n").at(-1));
    },
  };
}

Deno.test("a second process on the same directory is refused while the first one lives", () =>
  withDirectory(async (root) => {
    const writer = startWriter(`${root}/n1`);
    await writer.reach(1);
    const error = await assertRejects(() => DenoDisk.open(`${root}/n1`), UserError);
    assertEquals(
      error.message,
      `Cannot use ${root}/n1: another process (pid ${writer.pid}) has it open`,
    );
    assert(DenoDisk.openForReading(`${root}/n1`).list("log").length > 0);
    await writer.kill();
    (await DenoDisk.open(`${root}/n1`)).close();
  }));

Deno.test("a process killed while it writes leaves all that it acknowledged", () =>
  withDirectory(async (root) => {
    let acknowledged = 0;
    for (let round = 0; round < 3; round++) {
      const writer = startWriter(`${root}/n1`);
      await writer.reach(acknowledged + 500);
      acknowledged = await writer.kill();
    }
    const disk = await DenoDisk.open(`${root}/n1`);
    const { log } = openDataDirectory(disk, {
      nodeId: "n1",
      nonce: "nonce",
      clusterId: null,
      members: new Map(),
      onFailure: (error) => {
        throw error;
      },
    });
    assertGreaterOrEqual(log.lastIndex(), acknowledged);
    assertEquals(
      log.entries(1, log.lastIndex(), Infinity).map(describeEntry),
      entriesOf(1, log.lastIndex(), 1, 500).map(describeEntry),
    );
    assertGreaterOrEqual(disk.list("log").length, 4);
    log.close();
    disk.close();
  }));
