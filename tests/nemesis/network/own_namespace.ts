import { fileURLToPath } from "node:url";
import { canMakeMachines } from "./machines.ts";
import {
  type NetworkReport,
  type NetworkRunOptions,
  runNetworkNemesis,
} from "./run_network_nemesis.ts";

/** Prefix of the report, in the last line of the process's output. */
const REPORT = "report: ";

/**
 * Runs the network faults in a process with a network namespace of its own, so that nothing else on
 * this machine is affected.
 *
 * @returns `null` if network namespaces cannot be made, which needs Linux and root
 */
export async function runInOwnNamespace(
  options: NetworkRunOptions,
  log: (line: string) => void,
): Promise<NetworkReport | null> {
  if (!await canMakeMachines()) return null;
  const program = fileURLToPath(new URL("own_namespace.ts", import.meta.url));
  const words = [Deno.execPath(), "run", "--quiet", "--no-prompt", "--allow-all", program];
  const args = ["--net", ...words, JSON.stringify(options)];
  const process = new Deno.Command("unshare", { args, stdin: "null", stdout: "piped" }).spawn();
  let report: NetworkReport | null = null;
  let rest = "";
  for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith(REPORT)) report = JSON.parse(line.slice(REPORT.length));
      else log(line);
    }
  }
  const { code } = await process.status;
  if (report === null) throw new Error(`the faults of the network ended with code ${code}`);
  return report;
}

if (import.meta.main) {
  const [options = "{}"] = Deno.args;
  const report = await runNetworkNemesis(JSON.parse(options), console.log);
  console.log(REPORT + JSON.stringify(report));
  Deno.exit(0);
}
