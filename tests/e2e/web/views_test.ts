import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Page } from "../../support/packages/playwright.ts";
import { until } from "../../support/until.ts";
import { checkAccess, visit, type VisitOptions } from "../../support/web/browser.ts";
import { fill } from "../../support/web/demo.ts";
import { FakeCluster } from "../../support/web/fake_cluster.ts";

const PLACES = [
  "#/library/albums",
  "#/library/artists",
  "#/library/songs",
  "#/library/files",
  "#/cluster/Photos%2Fharbour.jpg",
  "#/keys/%2Fkeys%2Fsession%253A41c2",
];

async function withDemo(
  options: VisitOptions,
  run: (page: Page, cluster: FakeCluster) => Promise<void>,
): Promise<void> {
  const cluster = new FakeCluster();
  try {
    fill(cluster, 2);
    await visit(cluster.url, options, (page) => run(page, cluster));
  } finally {
    await cluster.close();
  }
}

async function goTo(page: Page, place: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(place)}`);
  await page.waitForTimeout(400);
}

for (
  const [name, options] of Object.entries<VisitOptions>({
    "a wide light page": {},
    "a wide dark page": { isDark: true },
    "a phone": { isPhone: true },
    "a dark phone in Spanish": { isPhone: true, isDark: true, locale: "es-ES" },
  })
) {
  Deno.test(`everybody can use ${name}, and it is never too wide`, async () => {
    await withDemo(options, async (page) => {
      await page.locator(".play").first().click({ force: true });
      for (const place of PLACES) {
        await goTo(page, place);
        await checkAccess(page);
        const tooWide = await page.evaluate(
          "document.scrollingElement.scrollWidth - innerWidth + " +
            "Math.max(0, document.querySelector('main').scrollWidth - document.querySelector('main').clientWidth)",
        );
        assertEquals(tooWide, 0, place);
      }
    });
  });
}

Deno.test("the cluster view shows what each node copies, how fast, and how much is left", async () => {
  await withDemo({ place: "#/cluster" }, async (page, cluster) => {
    const nodes = page.getByRole("list", { name: "Nodes" });
    await nodes.getByText(/50\s?% of the copies checked/).nth(2).waitFor();
    assertEquals(await page.getByText(/to go, /).count(), 0);
    await cluster.elect(0);
    await nodes.getByText(/Fetches \d+ copies: [\d.]+ .B to go, 12\.5 MB\/s/).nth(1).waitFor();
    const repair = page.getByRole("region", { name: "Files and repair" });
    await repair.getByText(/ to copy, 25 MB\/s/).waitFor();
    await checkAccess(page);
  });
});

Deno.test("everybody can use the dialogs, the menu and the uploads", async () => {
  await withDemo({ place: "#/library/files" }, async (page) => {
    const close = () => page.keyboard.press("Escape");
    await page.getByRole("button", { name: /^Reports.*annual report.pdf/ }).click();
    await page.getByText("All copies are where they belong.").waitFor();
    await checkAccess(page);
    await close();
    await page.getByRole("button", { name: "More for Reports/2026/annual report.pdf" }).press(
      "Enter",
    );
    const focused = () => page.evaluate("document.activeElement.textContent.trim()");
    await until("the menu has the focus", async () => await focused() === "Download");
    await page.keyboard.press("ArrowDown");
    assertEquals(await focused(), "Details");
    await checkAccess(page);
    await close();
    await page.locator("input[type=file]").setInputFiles({
      name: "new.txt",
      mimeType: "text/plain",
      buffer: new TextEncoder().encode("x") as never,
    });
    await page.getByText("All uploaded").waitFor();
    await checkAccess(page);
    await goTo(page, "#/keys");
    await page.getByRole("button", { name: "New key" }).click();
    await checkAccess(page);
  });
});

Deno.test("colours and language are the reader's, and are kept", async () => {
  await withDemo({ isDark: true, locale: "es-ES" }, async (page) => {
    const background = () =>
      page.evaluate("getComputedStyle(document.body).backgroundColor") as Promise<string>;
    const lightness = async () => Number(/\d+/.exec(await background())?.[0]);
    await page.getByRole("heading", { name: "Biblioteca" }).waitFor();
    assertEquals(await page.evaluate("document.documentElement.lang"), "es");
    assert(await lightness() < 60);
    await page.getByRole("button", { name: "Colores" }).click(); // from the system's to light
    assert(await lightness() > 200);
    await page.getByLabel("Idioma").selectOption("en");
    await page.getByRole("heading", { name: "Library" }).waitFor();
    await page.reload();
    await page.getByRole("heading", { name: "Library" }).waitFor();
    assert(await lightness() > 200);
  });
});

Deno.test("an election can be watched", async () => {
  await withDemo({ place: "#/cluster" }, async (page, cluster) => {
    const ring = page.getByRole("img", { name: /The ring of files/ });
    await ring.getByText("n2 leads").waitFor();
    const over = cluster.elect(1_500);
    await ring.getByText("Election…").waitFor();
    await over;
    await ring.getByText("n1 leads").waitFor();
    assertEquals(await ring.locator(".term").textContent(), "5");
    for (
      const news of [
        "n1 leads in term 5",
        "No leader: an election is under way",
        "n2 does not answer",
      ]
    ) {
      await page.getByText(news).waitFor();
    }
    await page.getByText("43 files have too few copies").waitFor();
    cluster.revive();
    await page.getByText("n2 answers again").waitFor();
    await page.getByText("All copies in place").waitFor();
  });
});

Deno.test("the ring shows which nodes hold a file", async () => {
  await withDemo({ place: "#/cluster" }, async (page) => {
    await page.getByRole("combobox", { name: "Find a file on the ring" }).fill("harbour.jpg");
    await page.getByRole("option", { name: "Photos/harbour.jpg" }).waitFor();
    await page.keyboard.press("Enter");
    await until("lines to all holders", async () => await page.locator(".link").count() === 3);
    assertMatch(page.url(), /#\/cluster\/Photos%2Fharbour.jpg$/);
    await until("both charts draw", async () => await page.locator(".uplot canvas").count() === 2);
  });
});

Deno.test("keys are found, shown, changed and deleted, and their time runs down", async () => {
  await withDemo({ place: "#/keys" }, async (page, cluster) => {
    await page.getByRole("searchbox").fill("session:");
    await page.getByText("2 keys").waitFor();
    await page.getByRole("link", { name: "session:41c2" }).click();
    await page.getByText('"user": "ana"').waitFor();
    const left = page.getByText(/Expires in 3:0\d/);
    const first = await left.textContent();
    await until("time runs down", async () => await left.textContent() !== first);
    await page.getByRole("button", { name: "Hex" }).click();
    await page.getByText("7b 22 75 73").waitFor();
    await page.getByRole("button", { name: "New key" }).click();
    await page.getByLabel("Key", { exact: true }).fill("session:new/é");
    await page.getByRole("textbox", { name: "Value" }).fill("fresh");
    await page.getByLabel("Expires after seconds").fill("60");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("region", { name: "session:new/é" }).getByText("fresh").waitFor();
    await page.getByRole("button", { name: "Edit" }).click();
    await page.getByRole("textbox", { name: "Value" }).fill("changed");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("region", { name: "session:new/é" }).getByText("changed").waitFor();
    assert(cluster.keys.get("session:new/é")?.deadlineMs !== null);
    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByText("Choose a key").waitFor();
    assertEquals(cluster.keys.has("session:new/é"), false);
  });
});

Deno.test("without its server the page says so, and comes back by itself", async () => {
  await withDemo({ mayFail: /ERR_CONNECTION_REFUSED|ERR_/ }, async (page, cluster) => {
    await page.getByText("n2 leads").waitFor();
    const port = Number(new URL(cluster.url).port);
    await cluster.close();
    await page.getByText("Server out of reach").waitFor();
    const next = new FakeCluster({ port });
    try {
      await page.getByText("n2 leads").waitFor();
    } finally {
      await next.close();
    }
  });
});

Deno.test("a node is isolated on purpose, and healed", async () => {
  await withDemo({ place: "#/cluster" }, async (page) => {
    const tools = page.getByRole("group", { name: "Make n3 fail on purpose" });
    await tools.getByRole("button", { name: "Isolate 5 s" }).click();
    await page.getByText("n3 has a fault: isolate").waitFor();
    await checkAccess(page);
    await tools.getByRole("button", { name: "Heal" }).click();
    await page.getByText("n3 has no faults any more").waitFor();
  });
});
