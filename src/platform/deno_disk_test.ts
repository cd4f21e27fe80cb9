import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { describeEntry, entriesOf } from "../../tests/support/log_entries.ts";
import { until } from "../../tests/support/until.ts";
import { UserError } from "../base/errors.ts";
import { openDataDirectory } from "../node/log/data_directory.ts";
import { DenoDisk, GradualRemoval, QuickSync } from "./deno_disk.ts";

async function withDirectory(run: (root: string) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir({ prefix: "regent-disk-" });
  try {
    await run(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("partial reads and writes of the system are completed", () =>
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

Deno.test("a sync of a closed file is reported as an error", () =>
  withDirectory(async (root) => {
    const disk = await DenoDisk.open(root);
    const file = disk.open("x", "create");
    file.close();
    const error = await new Promise((resolve) => file.sync(resolve));
    assert(error instanceof Error);
    disk.close();
  }));

Deno.test("a directory that cannot be made or read is reported to the user", () =>
  withDirectory(async (root) => {
    Deno.writeTextFileSync(`${root}/file`, "");
    await assertRejects(() => DenoDisk.open(`${root}/file/n1`), UserError, "Cannot use");
    await assertRejects(() => DenoDisk.open(`${root}/file`), UserError, "Cannot use");
    assertThrows(() => DenoDisk.openForReading(`${root}/none`), UserError, "Cannot read");
    assertThrows(() => DenoDisk.openForReading(`${root}/file`), UserError, "is not a directory");
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
    /** Reads until the writer reports a durable index of at least this. */
    async reach(index: number): Promise<number> {
      for (;;) {
        const last = Number(text.slice(0, text.lastIndexOf("\n")).split("\n").at(-1));
        if (text.includes("\n") && last >= index) return last;
        const { value, done } = await lines.read();
        if (done) throw new Error(`The writer ended after ${text}`);
        text += value;
      }
    },
    /** Kills it, and returns the last index that it reported. */
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

Deno.test("a process killed while it writes leaves everything that it acknowledged", () =>
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

/** The number of syncs of a disk that blocked, out of N. */
function waitedFor(quick: QuickSync, count: number, durationMs: number): number {
  let waited = 0;
  for (let at = 0; at < count; at++) {
    quick.noteWrite(4096);
    if (!quick.begin()) {
      quick.noteSyncElsewhere(durationMs);
      continue;
    }
    waited++;
    quick.noteSync(durationMs);
  }
  return waited;
}

Deno.test("a fast disk is waited for once it is known to be fast, a slow one never", () => {
  assertEquals(waitedFor(new QuickSync(), 10_000, 0.3), 10_000 - 16);
  assertEquals(waitedFor(new QuickSync(), 10_000, 4), 0);
  assertEquals(waitedFor(new QuickSync(), 10_000, 200), 0);
});

Deno.test("a disk that is neither is hardly ever waited for", () => {
  assertEquals(waitedFor(new QuickSync(), 10_000, 3) < 300, true);
});

Deno.test("one slow sync among fast ones moves the next to the other thread", () => {
  const quick = new QuickSync();
  waitedFor(quick, 100, 0.3);
  assertEquals(waitedFor(quick, 1, 9), 1);
  assertEquals(waitedFor(quick, 256, 0.3), 0);
  assertEquals(waitedFor(quick, 100, 0.3), 100);
});

Deno.test("a disk that was slow once on the other thread has to be fast for long", () => {
  const quick = new QuickSync();
  waitedFor(quick, 15, 0.3);
  assertEquals(waitedFor(quick, 1, 50), 0);
  assertEquals(waitedFor(quick, 256, 0.3), 0);
  assertEquals(waitedFor(quick, 100, 0.3), 100);
});

Deno.test("a sync that is slightly slow now and then is no reason", () => {
  const quick = new QuickSync();
  waitedFor(quick, 16, 0.3);
  for (let at = 0; at < 100; at++) {
    assertEquals([waitedFor(quick, 20, 0.3), waitedFor(quick, 1, 3)], [20, 1]);
  }
});

Deno.test("a sync of many bytes is left to the other thread", () => {
  const quick = new QuickSync();
  waitedFor(quick, 16, 0.3);
  quick.noteWrite(200 * 1024);
  quick.noteWrite(100 * 1024);
  assertEquals(quick.begin(), false);
  quick.noteWrite(Infinity);
  assertEquals(quick.begin(), false);
  assertEquals(waitedFor(quick, 10, 0.3), 10);
});

const MIB = 1024 * 1024;

/** Files in their own directory. An open file shows what a removed one still takes. */
async function withFiles(
  sizes: Readonly<Record<string, number>>,
  run: (path: (name: string) => string, bytesOf: (name: string) => number) => Promise<void> | void,
): Promise<void> {
  const root = Deno.makeTempDirSync();
  const path = (name: string) => `${root}/${name}`;
  const files = new Map<string, Deno.FsFile>();
  try {
    for (const [name, bytes] of Object.entries(sizes)) {
      Deno.writeFileSync(path(name), new Uint8Array(bytes));
      files.set(name, Deno.openSync(path(name)));
    }
    await run(path, (name) => files.get(name)?.statSync().size ?? NaN);
  } finally {
    for (const file of files.values()) file.close();
    Deno.removeSync(root, { recursive: true });
  }
}

function names(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
}

Deno.test("a removed name is gone at once, and large content bit by bit", () =>
  withFiles({ a: 13 * MIB, b: 9 * MIB, small: 10 }, async (path, bytesOf) => {
    const removal = new GradualRemoval();
    for (const name of ["a", "b", "small"]) removal.remove(path(name));
    assertEquals(names(path("")), []);
    assertEquals([bytesOf("a"), bytesOf("b"), bytesOf("small")], [13 * MIB, 9 * MIB, 10]);
    const seen = new Set<number>();
    await until("both are small", () => {
      seen.add(bytesOf("a"));
      return bytesOf("b") === MIB;
    });
    assertEquals(bytesOf("a"), MIB);
    assert([...seen].every((bytes) => bytes % (4 * MIB) === MIB), `${[...seen]}`);
    removal.stop();
  }));

Deno.test("a file with another name keeps its content", () =>
  withFiles({ a: 9 * MIB, b: 9 * MIB }, async (path, bytesOf) => {
    const removal = new GradualRemoval();
    Deno.linkSync(path("a"), path("a of a copy"));
    for (const name of ["a", "b"]) removal.remove(path(name));
    await until("what has none is small", () => bytesOf("b") === MIB);
    assertEquals([names(path("")), bytesOf("a")], [["a of a copy"], 9 * MIB]);
    removal.stop();
  }));

Deno.test("after the end nothing is shrunk any more", () =>
  withFiles({ a: 9 * MIB, b: 9 * MIB }, async (path, bytesOf) => {
    const stopped = new GradualRemoval();
    const other = new GradualRemoval();
    stopped.remove(path("a"));
    stopped.stop();
    other.remove(path("b"));
    await until("the other goes on", () => bytesOf("b") === MIB);
    assertEquals(bytesOf("a"), 9 * MIB);
    other.stop();
  }));

Deno.test("a missing file cannot be removed", () =>
  withFiles({}, (path) => {
    assertThrows(() => new GradualRemoval().remove(path("none")), Deno.errors.NotFound);
  }));

/** Replaces functions of the runtime while `run` lasts. */
async function withReplaced<T extends object>(
  target: T,
  replacements: Partial<T>,
  run: () => Promise<void> | void,
): Promise<void> {
  const names = Object.keys(replacements) as (keyof T)[];
  const before = names.map((name) => [name, target[name]] as const);
  Object.assign(target, replacements);
  try {
    await run();
  } finally {
    for (const [name, value] of before) target[name] = value;
  }
}

Deno.test("a system that takes nothing of a write fails it, at once or later", () =>
  withDirectory(async (root) => {
    const disk = await DenoDisk.open(root);
    const file = disk.open("x", "create");
    const nothing = { writeSync: () => 0, write: () => Promise.resolve(0) };
    await withReplaced(Deno.FsFile.prototype, nothing, async () => {
      const refusal = "Cannot write to x: no bytes were written";
      assertThrows(() => file.write(bytes("hello"), 0), Error, refusal);
      const error = await new Promise((resolve) => file.writeLater(bytes("hello"), 0, resolve));
      assertEquals((error as Error).message, refusal);
    });
    file.close();
    disk.close();
  }));

Deno.test("a sync of a quick disk waits for the end of the turn, and reports its error", () =>
  withDirectory(async (root) => {
    const events: string[] = [];
    const disk = await DenoDisk.open(root);
    const file = disk.open("x", "create");
    const quick = {
      syncData: () => Promise.resolve(),
      syncDataSync: () => {
        events.push("sync");
        if (events.includes("fail")) throw new Error("thrown on purpose");
      },
    };
    await withReplaced(Deno.FsFile.prototype, quick, async () => {
      const sync = () => new Promise<Error | null>((resolve) => file.sync(resolve));
      for (let count = 0; count < 10_000 && events.length === 0; count++) await sync();
      assertEquals(events, ["sync"]);
      const done = sync();
      events.push("turn");
      assertEquals(await done, null);
      assertEquals(events, ["sync", "turn", "sync"]);
      events.push("fail");
      assertEquals((await sync())?.message, "thrown on purpose");
    });
    file.close();
    disk.close();
  }));

Deno.test("a long sync of many bytes does not make a quick disk a slow one", () => {
  const quick = new QuickSync();
  waitedFor(quick, 16, 0.3);
  quick.noteWrite(Infinity);
  assertEquals(quick.begin(), false);
  quick.noteSyncElsewhere(500);
  assertEquals(waitedFor(quick, 10, 0.3), 10);
});

Deno.test("a large file that cannot be removed is closed, and stays as it is", () =>
  withFiles({ a: 9 * MIB }, async (path, bytesOf) => {
    const removeSync = () => {
      throw new Deno.errors.PermissionDenied("not allowed on purpose");
    };
    await withReplaced(Deno, { removeSync } as Partial<typeof Deno>, () => {
      const removal = new GradualRemoval();
      assertThrows(() => removal.remove(path("a")), Deno.errors.PermissionDenied);
      removal.stop(); // an open file would be a leak of this test
    });
    assertEquals([names(path("")), bytesOf("a")], [["a"], 9 * MIB]);
  }));

Deno.test("a removed file that cannot be shrunk is closed, and the next one is shrunk", () =>
  withFiles({ a: 9 * MIB, b: 9 * MIB }, async (path, bytesOf) => {
    const { truncateSync } = Deno.FsFile.prototype;
    let failures = 0;
    const replacement = {
      truncateSync(this: Deno.FsFile, size?: number) {
        if (failures++ === 0) throw new Error("thrown on purpose");
        truncateSync.call(this, size);
      },
    };
    await withReplaced(Deno.FsFile.prototype, replacement, async () => {
      const removal = new GradualRemoval();
      for (const name of ["a", "b"]) removal.remove(path(name));
      await until("the other is small", () => bytesOf("b") === MIB);
      assertEquals(bytesOf("a"), 9 * MIB);
      removal.stop();
    });
  }));

Deno.test("a data directory may be named relative to the working directory", async () => {
  const root = `regent-disk-${crypto.randomUUID()}`;
  try {
    const disk = await DenoDisk.open(`${root}/n1/`);
    assertEquals(disk.list(""), ["lock"]);
    disk.close();
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});

Deno.test("a data directory needs no access to the directory around it, and fails on a failing disk", () =>
  withDirectory(async (root) => {
    Deno.mkdirSync(`${root}/n1`);
    const { openSync } = Deno;
    const opening = (errorOf: () => Error) => ({
      openSync: (path: string | URL, options?: Deno.OpenOptions) => {
        if (path === root) throw errorOf();
        return openSync(path, options);
      },
    });
    const denied = opening(() => new Deno.errors.PermissionDenied("not allowed on purpose"));
    await withReplaced(Deno, denied as Partial<typeof Deno>, async () => {
      (await DenoDisk.open(`${root}/n1`)).close();
    });
    const broken = opening(() => new Error("input/output error on purpose"));
    await withReplaced(Deno, broken as Partial<typeof Deno>, async () => {
      await assertRejects(
        () => DenoDisk.open(`${root}/n1`),
        UserError,
        `Cannot use ${root}/n1: input/output error on purpose`,
      );
    });
  }));

Deno.test("a lock without the number of its process is reported as held by an unknown one", () =>
  withDirectory(async (root) => {
    const writer = startWriter(`${root}/n1`);
    await writer.reach(1);
    Deno.truncateSync(`${root}/n1/lock`, 0); // as between locking and writing the number
    await assertRejects(
      () => DenoDisk.open(`${root}/n1`),
      UserError,
      "another process (pid unknown) has it open",
    );
    await writer.kill();
  }));
