import { assertEquals } from "@std/assert";
import { SimpleString } from "../../src/resp/reply.ts";
import { DeadlineModel } from "./deadline_model.ts";

const OK = new SimpleString("OK");

Deno.test("deadlines: a key exists until its deadline, and no longer", () => {
  const model = new DeadlineModel();
  assertEquals(model.executed(["GET", "t1"], null, 5), null);
  assertEquals(model.executed(["SET", "t1", "a", "PX", "10"], OK, 5), null);
  assertEquals(model.executed(["GET", "t1"], "a", 14), null);
  assertEquals(
    model.executed(["GET", "t1"], null, 14),
    "GET t1 gives nothing at 14, and the key ends at 15",
  );
  assertEquals(
    model.executed(["GET", "t1"], "a", 15),
    "GET t1 gives success at 15, and the key ends at 15",
  );
});

Deno.test("deadlines: NX and XX see whether the key exists", () => {
  const model = new DeadlineModel();
  const set = (condition: string) => ["SET", "t1", "a", condition, "PX", "10"];
  assertEquals(model.executed(set("XX"), null, 0), null);
  assertEquals(model.executed(set("NX"), OK, 0), null);
  assertEquals(model.executed(set("NX"), null, 9), null);
  assertEquals(model.executed(set("XX"), OK, 9), null);
  assertEquals(model.executed(set("NX"), null, 18), null);
  assertEquals(typeof model.executed(set("XX"), OK, 19), "string");
  assertEquals(model.executed(["SET", "r1", "a", "NX"], null, 19), null);
});
