import { assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { withTemporaryDirectory } from "../../../tests/support/temporary_directory.ts";
import { UserError } from "../../base/errors.ts";
import { silentLogger } from "../../base/logger.ts";
import { BlobStore } from "../../files/blob_store.ts";
import { FileIndex } from "../../store/file_index.ts";
import { Keyspace } from "../../store/keyspace.ts";
import { OnceSessions } from "../../store/once_sessions.ts";
import { Settings } from "../../store/settings.ts";
import { StateLoader } from "../../store/state_loader.ts";
import { Users } from "../../store/users.ts";
import { chunksOfState, forgetNodes, restoreContents } from "./restored_files.ts";

const REAL = { permissions: { read: true, write: true, sys: ["statfs"] } };

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function blobId(name: string): string {
  return sha256(name).slice(0, 32);
}

/** Files of a cluster of n1, n2 and n3, each with its name as content; one content is dead. */
function filesOf(...names: string[]): FileIndex {
  const files = new FileIndex();
  for (const id of ["n1", "n2", "n3"]) {
    files.setNode({
      ...{ id, address: "127.0.0.1:1", weight: 1, capacityBytes: 1e9, freeBytes: 1e9 },
      ...{ isOut: false, isDraining: id === "n3" },
    });
  }
  const description = { copies: 2, type: "", owner: "", tags: "{}" };
  for (const name of ["dead", ...names]) {
    files.commit(
      {
        ...description,
        ...{ name, blob: blobId(name), size: name.length, sha256: sha256(name) },
      },
      ["n1", "n2"],
      1_000,
    );
  }
  files.delete("dead");
  return files;
}

Deno.test("a restored cluster knows the files, and none of the old nodes", () => {
  const files = filesOf("a", "b");
  const before = files.find("b");
  forgetNodes(files);
  const state = {
    keyspace: new Keyspace(),
    sessions: new OnceSessions(),
    settings: new Settings(),
    users: new Users(),
  };
  const loader = new StateLoader();
  for (const chunk of chunksOfState({ ...state, files })) loader.push(chunk);
  const { files: loaded } = loader.take();
  assertEquals(loaded.layout.nodes, []);
  assertEquals(loaded.find("b"), before);
  assertEquals(loaded.version, files.version);
  const blobs = [...loaded.view().blobs.values()];
  assertEquals(
    blobs.map(({ id, holders }) => [id, holders]),
    [
      [blobId("a"), []],
      [blobId("b"), []],
    ].toSorted(),
  );
  // A node with the content may not delete it, whoever else has announced itself.
  for (const id of ["n1", "n4"]) {
    loaded.setNode({
      ...{ id, address: "127.0.0.1:1", weight: 1, capacityBytes: 1e9, freeBytes: 1e9 },
      ...{ isOut: false, isDraining: false },
    });
  }
  assertEquals(loaded.release("n1", blobId("a")), false);
});

Deno.test("contents are restored to where the node finds them", REAL, async () => {
  await withTemporaryDirectory(async (dir) => {
    const texts = ["a", "b".repeat(200_000), ""];
    const files = filesOf("a", "b".repeat(200_000), "lacks");
    const backup = `${dir}/backup`;
    Deno.mkdirSync(`${backup}/blobs`, { recursive: true });
    for (const text of texts) Deno.writeTextFileSync(`${backup}/blobs/${sha256(text)}`, text);
    const restored = await restoreContents(`${dir}/n1`, backup, files);
    assertEquals(restored, { restored: 2, bytes: 200_001, missing: ["lacks"] });
    const options = { directory: `${dir}/n1/files`, reserveBytes: 0, logger: silentLogger };
    const store = await BlobStore.open(options);
    assertEquals([...store.ids()].sort(), [blobId("a"), blobId("b".repeat(200_000))].sort());
    let text = "";
    for await (const chunk of store.read(blobId("b".repeat(200_000)), 0, 200_000)) {
      text += new TextDecoder().decode(chunk);
    }
    assertEquals(text, "b".repeat(200_000));
    await store.close();
  });
});

Deno.test("a damaged content is not restored", REAL, async () => {
  await withTemporaryDirectory(async (dir) => {
    Deno.mkdirSync(`${dir}/backup/blobs`, { recursive: true });
    Deno.writeTextFileSync(`${dir}/backup/blobs/${sha256("good")}`, "evil");
    await assertRejects(
      () => restoreContents(`${dir}/n1`, `${dir}/backup`, filesOf("good")),
      UserError,
      "it is damaged; run the backup again",
    );
  });
});
