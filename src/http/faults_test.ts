import { assertEquals } from "@std/assert";
import { sentOf } from "../../tests/support/http/http_bench.ts";
import { silentLogger } from "../base/logger.ts";
import { Api } from "./api.ts";
import { addFaults } from "./faults.ts";

const begun: string[] = [];
const api = new Api(silentLogger);
addFaults(api, {
  allowed: () => Promise.resolve(["n1", "n2"]),
  begin(member, fault, durationMs) {
    if (member === "n3") return Promise.resolve("not-allowed");
    if (member === "n4") return Promise.resolve("no-answer");
    if (member !== "n1") return Promise.resolve("no-such-member");
    begun.push(`${member} ${fault} ${durationMs}`);
    return Promise.resolve(null);
  },
});

async function answer(method: string, path: string): Promise<Response> {
  const request = new Request(`http://localhost${path}`, { method });
  return await api.handle(request, sentOf(request));
}

Deno.test("a member is paused, isolated and healed", async () => {
  assertEquals(await (await answer("GET", "/faults")).json(), { members: ["n1", "n2"] });
  for (const query of ["fault=pause", "fault=isolate&duration-ms=60000", "fault=heal"]) {
    assertEquals((await answer("POST", `/faults/n1?${query}`)).status, 204, query);
  }
  assertEquals(begun, ["n1 pause 5000", "n1 isolate 60000", "n1 heal 5000"]);
});

Deno.test("what is described happens, and nothing else", async () => {
  const answers = [
    ["getFaults 200", "GET", "/faults"],
    ["getFaults 400", "GET", "/faults?x=1"],
    ["beginFault 204", "POST", "/faults/n1?fault=pause"],
    ["beginFault 400", "POST", "/faults/n1?fault=crash"],
    ["beginFault 404", "POST", "/faults/none?fault=pause"],
    ["beginFault 409", "POST", "/faults/n3?fault=pause"],
    ["beginFault 503", "POST", "/faults/n4?fault=pause"],
  ] as const;
  for (const [wanted, method, path] of answers) {
    const { status, body } = await answer(method, path);
    await body?.cancel();
    assertEquals(String(status), wanted.split(" ")[1], path);
  }
  for (const duration of ["0", "60001", "-1", "1.5", "x", ""]) {
    const { status } = await answer("POST", `/faults/n1?fault=pause&duration-ms=${duration}`);
    assertEquals(status, 400, duration);
  }
  const described = Object.values(api.paths).flatMap((methods) =>
    Object.values(methods).flatMap(({ operationId, responses }) =>
      Object.keys(responses).filter((status) => status !== "default")
        .map((status) => `${operationId} ${status}`)
    )
  );
  assertEquals(described.sort(), answers.map(([name]) => name).sort());
});
