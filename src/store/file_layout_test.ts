import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { FileLayout, type FileNode } from "./file_layout.ts";

function node(id: string, change: Partial<FileNode> = {}): FileNode {
  return {
    ...{ id, address: `${id}:1`, weight: 1, capacityBytes: 800, freeBytes: 1 },
    ...{ isOut: false, isDraining: false },
    ...change,
  };
}

const layoutOf = (...nodes: FileNode[]) =>
  nodes.reduce((layout, one) => layout.with(one), FileLayout.EMPTY);

Deno.test("weights follow the sizes of disks, in eighths", () => {
  const weights = (...nodes: FileNode[]) => {
    const { placement } = layoutOf(...nodes);
    return nodes.map(({ id }) => placement.weightOf(id));
  };
  assertEquals(weights(node("a"), node("b", { capacityBytes: 400 })), [1, 0.5]);
  assertEquals(weights(node("a"), node("b", { capacityBytes: 449 })), [1, 0.5]);
  assertEquals(weights(node("a"), node("b", { capacityBytes: 451 })), [1, 0.625]);
  assertEquals(weights(node("a"), node("b", { capacityBytes: 0 })), [1, 0.125]);
  assertEquals(weights(node("a"), node("b", { weight: 0 })), [1, 0]);
  assertEquals(weights(node("a", { weight: 64 }), node("b", { weight: 0.01 })), [64, 0.125]);
  assertEquals(weights(node("a", { capacityBytes: 0 })), [1]);
  // Only nodes that are up count.
  const large = { capacityBytes: 8_000 };
  assertEquals(weights(node("a"), node("b", { ...large, isOut: true })), [1, 0]);
  assertEquals(weights(node("a"), node("b", { ...large, isDraining: true })), [1, 0]);
});

Deno.test("the revision counts changes, and what moves no copies keeps the placement", () => {
  const one = layoutOf(node("b"), node("a"));
  assertEquals(one.nodes.map(({ id }) => id), ["a", "b"]);
  assertEquals(one.revision, 2);
  const freer = one.with(node("a", { freeBytes: 9 }));
  assertEquals([freer.revision, freer.find("a")?.freeBytes], [2, 9]);
  assertStrictEquals(freer.placement, one.placement);
  const moved = one.with(node("a", { address: "elsewhere:1" }));
  assertEquals(moved.revision, 3);
  assertStrictEquals(moved.placement, one.placement);
  const grown = one.with(node("a", { capacityBytes: 801 }));
  assertEquals(grown.revision, 3);
  assertStrictEquals(grown.placement, one.placement);
  for (const change of [{ weight: 2 }, { isOut: true }, { isDraining: true }]) {
    const other = one.with(node("a", change));
    assertEquals(other.revision, 3);
    assert(other.placement !== one.placement);
  }
  const fewer = one.without("a");
  assertEquals([fewer.revision, fewer.nodes.length, fewer.find("a")], [3, 1, undefined]);
  // A draining node that goes out holds no copies before and after, but is not available.
  const draining = one.with(node("a", { isDraining: true }));
  assert(draining.with(node("a", { isDraining: true, isOut: true })).placement.isOut("a"));
});
