import { assert } from "@std/assert";
import { Buffer } from "node:buffer";
import { PATIENT } from "../../support/calm.ts";
import type { LocalCluster, Member } from "../../support/local_cluster.ts";
import { until } from "../../support/until.ts";
import { checkAccess, visit } from "../../support/web/browser.ts";
import { mp3 } from "../../support/web/mp3.ts";
import { gradient } from "../../support/web/pictures.ts";
import { playsOn } from "../../support/web/player.ts";
import { tone } from "../../support/web/sounds.ts";
import { withCluster } from "../../support/with_cluster.ts";

const FILES = { ...PATIENT, http: true, files: true };

/** Large enough that a browser does not read all of it at once: 192 kB for each second. */
const SONG = () => tone(120, 330, 96_000);

const urlOf = ({ httpPort }: Member) => `http://127.0.0.1:${httpPort}`;

async function untilPlaced(cluster: LocalCluster, url: string): Promise<void> {
  await until("all nodes take files", async () => {
    const response = await fetch(`${url}/repair`);
    if (!response.ok) {
      await response.body?.cancel();
      return false;
    }
    return (await response.json()).layout.nodes.length === cluster.nodes.length;
  }, { describe: () => cluster.said() });
}

Deno.test("a song that is uploaded plays on while the leader dies, and the election is seen", async () => {
  await withCluster(FILES, async (cluster) => {
    const url = urlOf(cluster.proxy);
    await untilPlaced(cluster, url);
    await visit(url, { place: "#/library/songs" }, async (page) => {
      const content = Buffer.from(SONG());
      await page.locator("input[type=file]").setInputFiles({
        name: "Long Tone.wav",
        mimeType: "audio/wav",
        buffer: content,
      });
      await page.getByText("All uploaded").waitFor({ timeout: 60_000 });
      const stored = await (await fetch(`${url}/files/Long%20Tone.wav`)).bytes();
      assert(content.equals(stored));
      await page.getByRole("button", { name: "Play Long Tone" }).click();
      await playsOn(page, 2);
      const leader = await cluster.leader();
      await page.evaluate("location.hash = '#/cluster/Long%20Tone.wav'");
      const ring = page.getByRole("img", { name: /The ring of files/ });
      await ring.getByText(`${leader.name} leads`).waitFor();
      await until("all copies are shown", async () => await page.locator(".link").count() === 3);
      await leader.process.signal("SIGKILL");
      await page.getByText(`${leader.name} does not answer`).waitFor();
      await page.getByText(/n\d leads in term [2-9]/).first().waitFor();
      await playsOn(page, 25);
      await checkAccess(page);
    });
  });
});

Deno.test("songs are grouped by the tags that they carry, and an album shows its cover", async () => {
  await withCluster(FILES, async (cluster) => {
    const url = urlOf(cluster.proxy);
    await untilPlaced(cluster, url);
    await visit(url, { place: "#/library/albums" }, async (page) => {
      const cover = { type: "image/png", bytes: gradient([16, 42, 67], [233, 120, 70], 32) };
      const songs = ["Harbour Lights", "Slow Tide"].map((title, at) => ({
        name: `track ${at + 1}.mp3`,
        mimeType: "audio/mpeg",
        buffer: Buffer.from(mp3({
          texts: { TIT2: title, TPE1: "Lena Holm", TALB: "Night Ferry", TRCK: `${at + 1}` },
          cover,
        })),
      }));
      await page.locator("input[type=file]").setInputFiles(songs);
      await page.getByRole("link", { name: "Night Ferry" }).click();
      await page.getByText("2 songs").waitFor();
      await until("the cover is there", async () => {
        const widths = await page.locator("main .cover img").evaluateAll(
          (images) => images.map((image) => (image as { naturalWidth?: number }).naturalWidth),
        );
        return widths.includes(32);
      });
      await page.evaluate("location.hash = '#/library/files'");
      await page.getByRole("button", { name: "track 1.mp3", exact: true }).waitFor();
      await until(
        "covers are no files of the reader's",
        async () => await page.locator("tbody tr").count() === 2,
      );
    });
  });
});

Deno.test("a node serves the page as well: it uploads, deletes, and makes a node fail", async () => {
  await withCluster({ ...FILES, nodeFlags: ["--allow-faults"] }, async (cluster) => {
    const [node, other] = await cluster.followers();
    const url = urlOf(node as Member);
    await untilPlaced(cluster, url);
    await visit(url, { place: "#/library/files" }, async (page) => {
      const file = { name: "ü.txt", mimeType: "text/plain", buffer: Buffer.from("x") };
      await page.locator("input[type=file]").setInputFiles(file);
      await page.getByRole("button", { name: "ü.txt", exact: true }).click();
      await page.getByText("All copies are where they belong.").waitFor();
      await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Delete", exact: true }).click();
      await until("it is gone", async () => {
        const response = await fetch(`${url}/files/%C3%BC.txt`);
        await response.body?.cancel();
        return response.status === 404;
      });
      await page.evaluate("location.hash = '#/keys'");
      await page.getByRole("button", { name: "New key" }).click();
      await page.getByLabel("Key", { exact: true }).fill("greeting");
      await page.getByRole("textbox", { name: "Value" }).fill("hello");
      await page.getByLabel("Expires after seconds").fill("100");
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByRole("region", { name: "greeting" }).getByText("hello").waitFor();
      await page.getByText(/Expires in 1:\d\d/).waitFor();
      await page.evaluate("location.hash = '#/cluster'");
      const tools = page.getByRole("group", { name: `Make ${other?.name} fail on purpose` });
      await tools.getByRole("button", { name: "Pause 5 s" }).click();
      await page.getByText(`${other?.name} does not answer`).waitFor();
      await page.getByText(`${other?.name} answers again`).waitFor();
    });
  });
});
