import { freePorts } from "../../../tests/support/free_ports.ts";
import { until } from "../../../tests/support/until.ts";
import type { Resources } from "../resources.ts";

const PATH = "/usr/sbin/nginx";

/**
 * Starts Debian's nginx on a directory, with `sendfile` and without a log of requests.
 *
 * @returns the address of the directory, which ends with a slash; `null` where nginx is not installed
 */
export async function startNginx(resources: Resources, root: string): Promise<string | null> {
  try {
    Deno.statSync(PATH);
  } catch {
    return null;
  }
  const dir = resources.temporaryDirectory();
  const [port = 0] = freePorts(1);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${dir}/${name};`).join(" ");
  Deno.writeTextFileSync(
    `${dir}/nginx.conf`,
    `${Deno.uid() === 0 ? "user root;" : ""}
daemon off; worker_processes 1; pid ${dir}/pid; error_log stderr warn;
events { worker_connections 256; }
http {
  ${temporary} access_log off; sendfile on; tcp_nopush on;
  server { listen 127.0.0.1:${port}; root ${root}; }
}
`,
  );
  const process = new Deno.Command(PATH, {
    args: ["-e", "stderr", "-c", `${dir}/nginx.conf`],
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  resources.add(async () => {
    process.kill("SIGTERM");
    await process.status;
  });
  await until("nginx serves", async () => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port }).catch(() => null);
    connection?.close();
    return connection !== null;
  });
  return `http://127.0.0.1:${port}/`;
}
