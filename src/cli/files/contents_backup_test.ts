import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { FakeFilesServer } from "../../../tests/support/fake_files_server.ts";
import { withTemporaryDirectory } from "../../../tests/support/temporary_directory.ts";
import type { BackedUpFile } from "./backed_up_files.ts";
import { ContentsDirectory } from "./contents_backup.ts";
import { FilesClient } from "./files_client.ts";

const REAL = { permissions: { net: true, read: true, write: true, env: true } } as const;

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

async function withContents(
  test: (server: FakeFilesServer, client: FilesClient, dir: string) => Promise<void>,
): Promise<void> {
  await withTemporaryDirectory(async (dir) => {
    await using server = new FakeFilesServer();
    const client = new FilesClient({ host: "127.0.0.1", port: server.port });
    try {
      await test(server, client, dir);
    } finally {
      client.close();
    }
  });
}

/** What a backup says of these files, as they are now. */
function describe(server: FakeFilesServer): BackedUpFile[] {
  return [...server.files].map(([name, { version, bytes }]) => {
    const text = new TextDecoder().decode(bytes);
    return { name, version, size: bytes.length, sha256: sha256(text) };
  });
}

Deno.test("contents are copied once, also by a later backup", REAL, async () => {
  await withContents(async (server, client, dir) => {
    server.set("a", "one");
    server.set("b/ü", "two two");
    server.set("empty", "");
    const copied = await new ContentsDirectory(dir).copy(client, describe(server));
    assertEquals(copied, { copied: 3, copiedBytes: 10, kept: 0, changed: [], failed: [] });
    assertEquals(Deno.readTextFileSync(`${dir}/blobs/${sha256("two two")}`), "two two");
    server.set("c", "three");
    const next = await new ContentsDirectory(dir).copy(client, describe(server));
    assertEquals([next.copied, next.kept], [1, 3]);
    assertEquals([...Deno.readDirSync(`${dir}/blobs`)].length, 4);
  });
});

Deno.test("contents that are damaged or incomplete are copied again", REAL, async () => {
  await withContents(async (server, client, dir) => {
    for (const text of ["flipped", "short", "whole"]) server.set(text, text);
    const wanted = describe(server);
    await new ContentsDirectory(dir).copy(client, wanted);
    Deno.writeTextFileSync(`${dir}/blobs/${sha256("flipped")}`, "flopped");
    Deno.removeSync(`${dir}/blobs/${sha256("short")}`);
    Deno.writeTextFileSync(`${dir}/blobs/${sha256("short")}.part`, "sho");
    server.seen.length = 0;
    const { copied, kept } = await new ContentsDirectory(dir).copy(client, wanted);
    assertEquals([copied, kept], [2, 1]);
    assertEquals(server.seen, [
      'GET /files/flipped, if-match: "1"',
      'GET /files/short, if-match: "2", range: bytes=3-',
    ]);
    for (const text of ["flipped", "short"]) {
      assertEquals(Deno.readTextFileSync(`${dir}/blobs/${sha256(text)}`), text);
    }
  });
});

Deno.test("what has changed since, and what cannot be read, is told", REAL, async () => {
  await withContents(async (server, client, dir) => {
    for (const name of ["replaced", "deleted", "broken", "fine"]) server.set(name, `old ${name}`);
    const wanted = describe(server);
    server.set("replaced", "new");
    server.files.delete("deleted");
    server.onRequest = (method, name) => {
      if (name === "broken") server.faults.push({ kind: "status", method, status: 500 });
    };
    const result = await new ContentsDirectory(dir).copy(client, wanted);
    assertEquals(result.changed.map(({ name }) => name), ["replaced", "deleted"]);
    assertEquals(result.failed.map(({ file, reason }) => [file.name, reason]), [
      ["broken", "the cluster is busy"],
    ]);
    assertEquals(result.copied, 1);
    assertEquals([...Deno.readDirSync(`${dir}/blobs`)].map(({ name }) => name), [
      sha256("old fine"),
    ]);
  });
});
