import { freePorts } from "./free_ports.ts";
import { ask } from "./local_cluster.ts";
import { withCommand } from "./running_command.ts";
import { until } from "./until.ts";

/** A node on ports of its own, not started yet. */
export interface NodePlace {
  readonly dir: string;
  readonly port: number;
  readonly raftPort: number;
  /** `regent node` with id, ports and directory. */
  readonly args: readonly string[];
}

export function nodePlace(dir: string, id = "n1"): NodePlace {
  const [port = 0, raftPort = 0] = freePorts(2);
  const ports = ["--port", String(port), "--raft-port", String(raftPort)];
  return { dir, port, raftPort, args: ["node", "--id", id, ...ports, "--dir", dir] };
}

/** What a test sees of a node that serves. */
export interface ServingNode {
  /** What it has written to standard error. */
  said(): string;
  kill(): void;
}

/** Runs a node, with more flags, while it serves. */
export async function withServingNode<T>(
  place: NodePlace,
  flags: readonly string[],
  test: (node: ServingNode) => Promise<T>,
): Promise<T> {
  return await withCommand([...place.args, ...flags], async (command) => {
    const said = () => command.stderr;
    await until("it serves", async () => typeof await ask(place, ["DBSIZE"]) === "number", {
      describe: said,
    });
    return await test({ said, kill: () => command.signal("SIGKILL") });
  });
}
