import { freePorts } from "./free_ports.ts";
import { ask } from "./local_cluster.ts";
import { withCommand } from "./running_command.ts";
import { until } from "./until.ts";

/** The place of a node that is not started yet. */
export interface NodePlace {
  readonly dir: string;
  readonly port: number;
  readonly raftPort: number;
  /** Arguments of `regent node`: id, ports and directory. */
  readonly args: readonly string[];
}

export function nodePlace(dir: string, id = "n1"): NodePlace {
  const [port = 0, raftPort = 0] = freePorts(2);
  const ports = ["--port", String(port), "--raft-port", String(raftPort)];
  return { dir, port, raftPort, args: ["node", "--id", id, ...ports, "--dir", dir] };
}

/** A serving node, as a test sees it. */
export interface ServingNode {
  /** Its standard error so far. */
  said(): string;
  kill(): void;
}

/** Runs a test with a serving node that has these additional flags. */
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
