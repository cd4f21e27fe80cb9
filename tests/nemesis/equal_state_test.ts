import { assertEquals } from "@std/assert";
import { differences, type NodeState } from "./equal_state.ts";

function state(name: string, values: Record<string, string | null>, size?: number): NodeState {
  const present = Object.values(values).filter((value) => value !== null).length;
  return { name, values: new Map(Object.entries(values)), size: size ?? present };
}

Deno.test("equal nodes have no differences", () => {
  assertEquals(
    differences([state("n1", { a: "1", b: null }), state("n2", { a: "1", b: null })]),
    [],
  );
});

Deno.test("another value, an extra key and an unreadable key are reported", () => {
  assertEquals(differences([state("n1", { a: "1" }), state("n2", { a: "2" })]), [
    "a is 1 at n1 and 2 at n2",
  ]);
  assertEquals(differences([state("n1", { a: "1" }), state("n2", { a: "1" }, 2)]), [
    "n1 holds 1 keys, n2 2",
  ]);
  assertEquals(differences([state("n1", { a: "1" }, 2), state("n2", { a: "1" }, 2)]), [
    "n1 holds 2 keys, but 1 can be read",
  ]);
});
