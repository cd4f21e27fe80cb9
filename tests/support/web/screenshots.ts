/**
 * Takes the screenshots of the README: `deno run -A tests/support/web/screenshots.ts`. Look at them
 * before you commit them.
 */
import { type BrowserContext, chromium, type Page } from "../packages/playwright.ts";
import { fill } from "./demo.ts";
import { FakeCluster } from "./fake_cluster.ts";

const FOLDER = new URL("../../../src/web/screenshots/", import.meta.url);
const WIDE = { viewport: { width: 1120, height: 720 } };
const PHONE = { viewport: { width: 390, height: 720 }, isMobile: true, hasTouch: true };

const cluster = new FakeCluster();
fill(cluster, 200);
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio"],
});

async function take(
  name: string,
  place: string,
  options: Parameters<typeof browser.newContext>[0],
  prepare: (page: Page) => Promise<void>,
): Promise<void> {
  const context: BrowserContext = await browser.newContext(options ?? {});
  const page = await context.newPage();
  await page.goto(`${cluster.url}/${place}`);
  await prepare(page);
  const session = await context.newCDPSession(page);
  const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 90 });
  await Deno.writeFile(new URL(`${name}.webp`, FOLDER), Uint8Array.fromBase64(data));
  await context.close();
}

await Deno.mkdir(FOLDER, { recursive: true });
await take("library", "#/library/albums", { ...WIDE, locale: "en-GB" }, async (page) => {
  await page.getByRole("button", { name: "Play Night Ferry" }).click({ force: true });
  await page.getByRole("slider", { name: "Position" }).fill("64");
  await page.mouse.move(700, 700);
  await page.waitForTimeout(2_000);
});
const onRing = "#/cluster/Photos%2Fharbour.jpg";
await take("cluster", onRing, { ...WIDE, colorScheme: "dark" }, async (page) => {
  await page.waitForTimeout(60_000); // the charts fill
});
const dark = { ...PHONE, colorScheme: "dark", locale: "es-ES" } as const;
await take("phone", "#/library/songs", dark, async (page) => {
  await page.getByRole("button", { name: "Reproducir Altiplano" }).click({ force: true });
  await page.waitForTimeout(2_000);
});
await browser.close();
await cluster.close();
Deno.exit(0);
