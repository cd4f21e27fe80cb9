import { freeClusterPort } from "./cluster_ports.ts";
import { ask } from "./local_cluster.ts";
import { type RunningCommand, withCommand } from "./running_command.ts";
import { until } from "./until.ts";

/** One line of the table that `regent cluster` prints. */
export interface TableRow {
  readonly name: string;
  readonly role: string;
  readonly port: number;
  readonly processId: number;
  readonly data: string;
}

/** A `regent cluster` that has printed its table. */
export interface ShownCluster {
  readonly command: RunningCommand;
  /** The proxy's port. */
  readonly port: number;
  readonly rows: readonly TableRow[];
  readonly leader: TableRow;
}

export interface ClusterCommandOptions {
  readonly dir: string;
  /** @default free ones */
  readonly port?: number;
  /** @default 3 */
  readonly nodes?: number;
  readonly flags?: readonly string[];
  readonly env?: Record<string, string>;
}

/** Runs `regent cluster`, and a test as soon as it serves. */
export async function withClusterCommand<T>(
  { dir, nodes = 3, port = freeClusterPort(nodes), flags = [], env = {} }: ClusterCommandOptions,
  test: (cluster: ShownCluster) => Promise<T>,
): Promise<T> {
  const args = ["cluster", "--dir", dir, "--port", String(port), "--nodes", String(nodes)];
  return await withCommand([...args, ...flags], async (command) => {
    await command.line(/ status --nodes /);
    const rows = command.linesLike(/^(n[0-9]|proxy) /).map(tableRow);
    const leader = rows.find(({ role }) => role === "leader");
    if (leader === undefined) throw new Error(`No leader is shown:\n${command.stdout}`);
    return await test({ command, port, rows, leader });
  }, env);
}

function tableRow(line: string): TableRow {
  const [name = "", role = "", address = "", processId = "", data = ""] = line.split(/ {2,}/);
  const port = Number(address.split(":")[1]);
  return { name, role, port, processId: Number(processId), data };
}

/** Waits until nobody answers on any of the ports. */
export async function untilAllDead(rows: readonly TableRow[]): Promise<void> {
  await until("all processes have ended", async () => {
    const answers = await Promise.all(rows.map((row) => ask(row, ["PING"])));
    return answers.every((answer) => answer === null);
  });
}
