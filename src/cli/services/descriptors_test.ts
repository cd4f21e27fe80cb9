import { assert, assertEquals } from "@std/assert";
import { descriptorsWanted, type ServicesWanted, shareDescriptors } from "./descriptors.ts";

const NODE: ServicesWanted = {
  http: { httpPort: "auto", httpConnectionsMax: 256 },
  hasStorage: true,
};
const NOTHING: ServicesWanted = { http: { ...NODE.http, httpPort: "off" }, hasStorage: false };

/** What all of it may have open at once: see the constants of `descriptors.ts`. */
function usedBy({ services }: ReturnType<typeof shareDescriptors>, fixed: number): number {
  const { connectionsMax, uploads, idleMax, transfersMax } = services;
  return fixed + 2 * connectionsMax + uploads + idleMax + 4 * transfersMax;
}

Deno.test("with descriptors enough, all get what they want", () => {
  const wanted = descriptorsWanted(NODE);
  for (const fitting of [Infinity, 100_000]) {
    const shared = shareDescriptors(NODE, fitting);
    assertEquals(shared.services.connectionsMax, 256);
    assertEquals(shared.services.transfersMax, 512);
    assert(shared.services.uploads >= 128 * 5);
    assertEquals(usedBy(shared, 24), wanted);
    assertEquals(shared.clientsFitting, fitting - wanted);
  }
  assertEquals(descriptorsWanted(NOTHING), 0);
  assertEquals(shareDescriptors(NOTHING, 100).clientsFitting, 100);
});

Deno.test("with few descriptors, together they have no more than there are", () => {
  for (const fitting of [40, 47, 100, 200, 1_000, 5_000]) {
    const shared = shareDescriptors(NODE, fitting);
    assertEquals(usedBy(shared, 24) + shared.clientsFitting, fitting);
    assert(shared.clientsFitting >= (fitting - 24) * 0.4, `${fitting}: ${shared.clientsFitting}`);
    for (const count of Object.values(shared.services)) assert(count > 0);
  }
});

Deno.test("what is not served gets nothing", () => {
  const files = shareDescriptors({ ...NODE, http: NOTHING.http }, 200);
  assertEquals(files.services.connectionsMax, 0);
  assert(files.services.transfersMax > 0 && files.services.uploads > 0);
  const proxy = shareDescriptors({ ...NODE, hasStorage: false }, 200);
  assertEquals(proxy.services.transfersMax, 0);
  assert(proxy.services.uploads > 0);
});
