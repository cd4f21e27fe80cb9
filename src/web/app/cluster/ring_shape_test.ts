import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { Ring } from "../../../ring/ring.ts";
import { formatRingId, ringId } from "../../../ring/ring_id.ts";
import { arcsOf, pathOf, pointAt, sharesOf, turnOf } from "./ring_shape.ts";
import * as page from "./sha256.ts";

const NODES = [{ id: "n1", weight: 1 }, { id: "n2", weight: 2 }, { id: "n3", weight: 1 }];

Deno.test("the page's SHA-256 is that of node:crypto", () => {
  for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 120, 1_000]) {
    const text = "aé".repeat(length).slice(0, length);
    const wanted = createHash("sha256").update(text, "utf8").digest("hex");
    const bytes = page.createHash("sha256").update(text, "utf8").digest();
    assertEquals([...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(""), wanted);
  }
});

Deno.test("the arcs cover the ring once, and each file lies in the arc of its responsible node", () => {
  const arcs = arcsOf(NODES);
  const all = [...arcs.values()].flat().sort((one, other) => one.from - other.from);
  const covered = all.reduce((sum, { from, to }) => sum + to - from, 0);
  assert(Math.abs(covered - 1) < 1e-9, `${covered}`);
  all.slice(1).forEach(({ from }, at) => assertEquals(from, all[at]?.to));
  const ring = new Ring(NODES);
  for (let at = 0; at < 500; at++) {
    const id = ringId(`file ${at}`);
    const turn = turnOf(formatRingId(id));
    const holder = [...arcs].find(([, own]) =>
      own.some(({ from, to }) => (turn > from && turn <= to) || (turn - 1 > from && turn - 1 <= to))
    );
    assertEquals(holder?.[0], ring.successors(id, 1)[0]);
  }
});

Deno.test("shares follow the weights; without weights all are equal", () => {
  const shares = sharesOf(NODES);
  assertEquals([...shares.values()], [{ from: 0, to: 0.25 }, { from: 0.25, to: 0.75 }, {
    from: 0.75,
    to: 1,
  }]);
  assertEquals(sharesOf([{ id: "n1", weight: 0 }]).get("n1"), { from: 0, to: 1 });
  assertEquals(arcsOf([]).size, 0);
});

Deno.test("a turn begins at the top and goes clockwise", () => {
  assertEquals(pointAt(0, 10), [0, -10]);
  assertEquals(pointAt(0.25, 10), [10, 0]);
  assertEquals(pathOf([{ from: 0, to: 0.25 }], 10), "M0 -10A10 10 0 0 1 10 0");
  assertEquals(pathOf([{ from: 0, to: 0.75 }], 10), "M0 -10A10 10 0 1 1 -10 0");
});
