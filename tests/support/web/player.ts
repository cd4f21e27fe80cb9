import type { Page } from "../packages/playwright.ts";
import { until } from "../until.ts";

/** The position that the player shows, in seconds. */
export async function position(page: Page): Promise<number> {
  return Number(await page.getByRole("slider", { name: "Position" }).inputValue());
}

/** Waits until the song has gone on for so many seconds from where it is now. */
export async function playsOn(page: Page, seconds: number): Promise<void> {
  const from = await position(page);
  await until(`plays on from ${from}`, async () => await position(page) >= from + seconds, {
    timeoutMs: 20_000 + seconds * 1_000,
  });
}
