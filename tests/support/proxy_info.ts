import { ask, type LocalCluster, type Member } from "./local_cluster.ts";
import { replyText } from "./reply_text.ts";
import { until } from "./until.ts";

/** The fields of `INFO`, by their names. */
export async function infoOf(proxy: Member): Promise<Map<string, string>> {
  const text = replyText(await ask(proxy, ["INFO"])) ?? "";
  const lines = text.split("\r\n").filter((line) => line.includes(":"));
  return new Map(lines.map((line) => [
    line.slice(0, line.indexOf(":")),
    line.slice(line.indexOf(":") + 1),
  ]));
}

/** Waits until the proxy knows that no node can take requests. */
export async function untilNobodyServes(cluster: LocalCluster): Promise<void> {
  await until("the proxy knows that no node serves", async () => {
    const info = await infoOf(cluster.proxy);
    const nodes = [...info].filter(([name]) => /^node\d+$/.test(name)).map(([, text]) => text);
    return info.get("leader_id") === "" && nodes.length === cluster.nodes.length &&
      nodes.every((node) => node.includes("answers=0") || node.includes("serving=0"));
  });
}
