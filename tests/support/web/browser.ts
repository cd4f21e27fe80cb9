import { assertEquals } from "@std/assert";
import axe from "../packages/axe.ts";
import { type Browser, chromium, type Page } from "../packages/playwright.ts";

const CHROMIUM = Deno.env.get("CHROMIUM") ?? "/usr/bin/chromium";

export interface VisitOptions {
  /** What follows the origin: `#/cluster`. */
  readonly place?: string;
  readonly isPhone?: boolean;
  readonly isDark?: boolean;
  readonly locale?: string;
  /** What the page may complain about: an error of the browser, as a part of its text. */
  readonly mayFail?: RegExp;
}

/** Opens the page in a browser of its own, and checks that nothing in it fails. */
export async function visit(
  url: string,
  { place = "", isPhone = false, isDark = false, locale = "en-GB", mayFail = /^$/ }: VisitOptions,
  run: (page: Page) => Promise<void>,
): Promise<void> {
  const browser = await launch();
  const failures: string[] = [];
  try {
    const context = await browser.newContext({
      locale,
      colorScheme: isDark ? "dark" : "light",
      ...(isPhone
        ? { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }
        : { viewport: { width: 1280, height: 800 } }),
    });
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    page.on("pageerror", (error) => failures.push(String(error.stack ?? error)));
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) failures.push(message.text());
    });
    page.on("request", (request) => {
      const isOwn = request.url().startsWith(url) || request.url().startsWith("blob:");
      if (!isOwn) failures.push(`requests ${request.url()}`);
    });
    await page.goto(`${url}/${place}`);
    try {
      await run(page);
    } catch (error) {
      await page.screenshot({ path: `${Deno.env.get("TMPDIR") ?? "/tmp"}/page-failed.png` });
      throw error;
    }
    assertEquals(failures.filter((failure) => !mayFail.test(failure)), []);
  } finally {
    await browser.close();
  }
}

/** Checks that axe finds nothing that keeps people from using the page. */
export async function checkAccess(page: Page): Promise<void> {
  // Colours that are on their way to others have no contrast to measure.
  await page.evaluate(
    "Promise.all(document.getAnimations().map((one) => one.finished.catch(() => {})))",
  );
  await page.evaluate(axe.source);
  const violations = await page.evaluate(`
    axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
      violations.map(({ id, help, nodes }) => ({
        id,
        help,
        nodes: nodes.map(({ html, failureSummary }) => html + " " + failureSummary),
      })))
  `);
  assertEquals(violations, []);
}

async function launch(): Promise<Browser> {
  return await chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio"],
  });
}
