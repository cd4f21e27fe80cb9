import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import type { Page } from "../../support/packages/playwright.ts";
import { until } from "../../support/until.ts";
import { visit, type VisitOptions } from "../../support/web/browser.ts";
import { FakeCluster } from "../../support/web/fake_cluster.ts";
import { tone } from "../../support/web/sounds.ts";

const MIB = 1024 * 1024;

async function withPage(
  run: (page: Page, cluster: FakeCluster) => Promise<void>,
  options: VisitOptions & { prepare?: (cluster: FakeCluster) => void } = {},
): Promise<void> {
  const cluster = new FakeCluster();
  try {
    options.prepare?.(cluster);
    await visit(cluster.url, options, (page) => run(page, cluster));
  } finally {
    await cluster.close();
  }
}

const fileOf = (name: string, mimeType: string, bytes: Uint8Array) => ({
  name,
  mimeType,
  buffer: Buffer.from(bytes),
});

async function upload(page: Page, ...files: readonly ReturnType<typeof fileOf>[]): Promise<void> {
  await page.locator("input[type=file]").setInputFiles([...files]);
}

/** Bytes that are different everywhere. */
function noise(length: number): Uint8Array {
  const words = new Uint32Array(length / 4);
  let word = 1;
  for (let at = 0; at < words.length; at++) {
    words[at] = word = Math.imul(word, 1_664_525) + 1_013_904_223;
  }
  return new Uint8Array(words.buffer);
}

Deno.test("an empty library says what to do, and shows what is uploaded", async () => {
  await withPage(async (page, cluster) => {
    cluster.files.tagsFor.set("one.wav", {
      title: "Salt",
      artist: "Lena Holm",
      album: "Night Ferry",
      track: 2,
    });
    cluster.files.tagsFor.set("two.wav", {
      title: "Tide",
      artist: "Lena Holm",
      album: "Night Ferry",
      track: 1,
    });
    await page.getByText("No music yet").waitFor();
    await upload(
      page,
      fileOf("one.wav", "audio/wav", tone(1)),
      fileOf("two.wav", "audio/wav", tone(1)),
      fileOf("notes.txt", "text/plain", new TextEncoder().encode("hello")),
    );
    await page.getByText("All uploaded").waitFor();
    await page.getByRole("link", { name: "Night Ferry" }).click();
    await page.getByRole("heading", { name: "Night Ferry" }).waitFor();
    const titles = await page.locator("tbody .title").allTextContents();
    assertEquals(titles.map((title) => title.trim()), ["Tide", "Salt"]);
    await page.getByRole("link", { name: "Files", exact: true }).click();
    await page.getByRole("button", { name: "notes.txt", exact: true }).waitFor();
    assertEquals(cluster.files.bytesOf("notes.txt")?.length, 5);
  });
});

Deno.test("files can be dropped on the page", async () => {
  await withPage(async (page, cluster) => {
    await page.getByText("No music yet").waitFor();
    await page.evaluate(`
      const data = new DataTransfer();
      data.items.add(new File(["dropped"], "from afar.txt", { type: "text/plain" }));
      for (const type of ["dragenter", "dragover", "drop"]) {
        document.body.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
      }
    `);
    await page.getByText("All uploaded").waitFor();
    assertEquals(cluster.files.bytesOf("from afar.txt")?.length, 7);
  });
});

Deno.test("a large upload goes on where it was when the connection broke", async () => {
  await withPage(async (page, cluster) => {
    const content = noise(12 * MIB);
    cluster.files.breakUploadAfter = 3 * MIB;
    await upload(page, fileOf("large.bin", "application/octet-stream", content));
    await page.getByText("All uploaded").waitFor();
    const patches = cluster.files.log.filter((line) => line.startsWith("PATCH"));
    assert(patches.length >= 2, `${patches}`);
    assert(Buffer.from(cluster.files.bytesOf("large.bin") ?? []).equals(content));
    const sent = cluster.files.uploadedBytes;
    assert(sent < content.length * 1.5, `${sent} bytes for ${content.length}`);
  }, { mayFail: /Failed to load resource/ });
});

Deno.test("an upload goes on after the page was closed, when its file is chosen again", async () => {
  await withPage(async (page, cluster) => {
    const directory = await Deno.makeTempDir();
    try {
      const path = `${directory}/large.bin`;
      const content = noise(12 * MIB);
      await Deno.writeFile(path, content);
      cluster.files.breakUploadAfter = 3 * MIB;
      cluster.files.refusesUploads = true;
      await page.locator("input[type=file]").setInputFiles(path);
      await page.getByText("Waits for the server").waitFor();
      page.on("dialog", (dialog) => void dialog.accept()); // the page warns that it still uploads
      await page.reload();
      cluster.files.refusesUploads = false;
      await page.getByText("The upload of large.bin was interrupted").waitFor();
      await page.locator("input[type=file]").setInputFiles(path);
      await page.getByText("All uploaded").waitFor();
      assert(Buffer.from(cluster.files.bytesOf("large.bin") ?? []).equals(content));
      assertEquals(cluster.files.log.filter((line) => line === "POST /uploads").length, 1);
      assertEquals(await page.getByText("was interrupted").count(), 0);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  }, { mayFail: /Failed to load resource|beforeunload/ });
});

Deno.test("an upload can be cancelled, and leaves nothing", async () => {
  await withPage(async (page, cluster) => {
    cluster.files.breakUploadAfter = MIB;
    cluster.files.refusesUploads = true;
    await upload(page, fileOf("large.bin", "", noise(12 * MIB)));
    await page.getByText("Waits for the server").waitFor();
    await page.getByRole("button", { name: "Cancel large.bin" }).click();
    await page.getByText("Cancelled").waitFor();
    await until(
      "the server is told",
      () => cluster.files.log.some((line) => line.startsWith("DELETE /uploads/")),
    );
    assertEquals(cluster.files.bytesOf("large.bin"), null);
  }, { mayFail: /Failed to load resource/ });
});

Deno.test("a file of the same name is replaced only if the reader wants it", async () => {
  await withPage(async (page, cluster) => {
    const text = (content: string) =>
      fileOf("a.txt", "text/plain", new TextEncoder().encode(content));
    await upload(page, text("second"));
    await page.getByText("A file of this name exists.").waitFor();
    assertEquals(cluster.files.bytesOf("a.txt")?.length, 5);
    await page.getByRole("button", { name: "Keep both" }).click();
    await page.getByText("All uploaded").waitFor();
    assertEquals(cluster.files.bytesOf("a (2).txt")?.length, 6);
    await upload(page, text("the third"));
    await page.getByRole("button", { name: "Replace" }).click();
    await page.getByText("All uploaded").waitFor();
    assertEquals(cluster.files.bytesOf("a.txt")?.length, 9);
  }, {
    mayFail: /412/,
    prepare: ({ files }) =>
      files.add("a.txt", new TextEncoder().encode("first"), { type: "text/plain" }),
  });
});

Deno.test("a file is deleted after a question, unless that is undone in time", async () => {
  await withPage(async (page, cluster) => {
    const row = page.getByRole("button", { name: "a.txt", exact: true });
    const deleteIt = async (answer: string) => {
      await page.getByRole("button", { name: "More for a.txt" }).click();
      await page.getByRole("menuitem", { name: "Delete" }).click();
      await page.getByRole("dialog").getByRole("button", { name: answer, exact: true }).click();
    };
    await row.waitFor();
    await deleteIt("Cancel");
    assertEquals(await row.count(), 1);
    await deleteIt("Delete");
    await row.waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Undo" }).click();
    await row.waitFor();
    assertEquals(cluster.files.bytesOf("a.txt")?.length, 1);
    await deleteIt("Delete");
    await until("the file is gone", () => cluster.files.bytesOf("a.txt") === null);
  }, {
    place: "#/library/files",
    prepare: ({ files }) => files.add("a.txt", new Uint8Array(1), { type: "text/plain" }),
  });
});

Deno.test("files are sorted and searched by the server, and more are read on the way down", async () => {
  await withPage(async (page) => {
    const names = () => page.locator("tbody .last").allTextContents();
    await page.getByRole("button", { name: "Size" }).click();
    await until("sorted by size", async () => (await names())[0] === "file-000.bin");
    await page.getByRole("button", { name: "Size" }).click();
    await until("sorted the other way", async () => (await names())[0] === "file-449.bin");
    await page.mouse.move(640, 500);
    await until("all are there", async () => {
      await page.mouse.wheel(0, 20_000);
      return (await names()).length === 450;
    });
    await page.getByRole("searchbox").fill("FILE-12");
    await until("found", async () => (await names()).length === 10);
    await page.getByRole("searchbox").fill("nothing of that kind");
    await page.getByText("Nothing found for").waitFor();
  }, {
    place: "#/library/files",
    prepare: ({ files }) => {
      for (let at = 0; at < 450; at++) {
        files.add(`file-${String(at).padStart(3, "0")}.bin`, new Uint8Array(at));
      }
    },
  });
});

Deno.test("what others upload is seen without a reload", async () => {
  await withPage(async (page, cluster) => {
    await page.getByText("No files yet").waitFor();
    await page.waitForResponse((response) => response.url().endsWith("/repair"));
    cluster.files.add("from elsewhere.txt", new Uint8Array(1));
    await page.getByRole("button", { name: "from elsewhere.txt", exact: true }).waitFor({
      timeout: 40_000,
    });
  }, { place: "#/library/files" });
});
