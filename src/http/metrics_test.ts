import { assert, assertEquals, assertMatch } from "@std/assert";
import { HttpBench } from "../../tests/support/http/http_bench.ts";
import { metricsText } from "./metrics.ts";

const INFO = [
  ["# Clients", "connected_clients:3", ""],
  ["# Raft", "raft_role:follower", "term:5", "leader_id:n2", "commit_index:70", ""],
  ["# Keyspace", "db0:keys=12,expires=1,avg_ttl=0", "total_commands_processed:9"],
].flat().join("\r\n");

/** The samples, without their descriptions. */
function samplesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

Deno.test("the numbers of INFO are told in Prometheus's format", () => {
  const text = metricsText(INFO, [["http_connections", "Connections.", 7]]);
  assertMatch(text, /^# HELP regent_term [^\n]+\n# TYPE regent_term gauge\nregent_term 5$/m);
  assertMatch(text, /^# TYPE regent_commands_total counter$/m);
  const samples = samplesOf(text);
  for (
    const sample of [
      "regent_up 1",
      'regent_role{role="follower"} 1',
      'regent_role{role="leader"} 0',
      "regent_leader_known 1",
      "regent_clients 3",
      "regent_keys 12",
      "regent_commit_index 70",
      "regent_commands_total 9",
      "regent_http_connections 7",
    ]
  ) assert(samples.includes(sample), `${sample}\n${text}`);
  for (const line of samples) assertMatch(line, /^regent_[a-z_]+(\{[a-z]+="[^"]+"\})? [0-9]+$/);
  const families = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
  assertEquals(families.length, new Set(families).size);
});

Deno.test("of what INFO does not tell there is no number", () => {
  const names = samplesOf(metricsText("# Keyspace\r\n", [])).map((line) => line.split(/[ {]/)[0]);
  assertEquals(names, ["regent_build_info", "regent_up", "regent_keys"]);
  assert(metricsText("leader_id:\r\n", []).includes("regent_leader_known 0"));
});

Deno.test("a process that does not answer has metrics that say so", async () => {
  const response = await new HttpBench({ info: null }).fetch("GET", "/metrics");
  assertEquals(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  assertEquals(samplesOf(await response.text()).slice(1), [
    "regent_up 0",
    "regent_http_connections 7",
    "regent_http_held_bytes 0",
  ]);
});
