import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type ShownCluster, withClusterCommand } from "../../support/cluster_command.ts";
import { RawRespClient } from "../../support/raw_resp_client.ts";
import { regentCommand, runRegent } from "../../support/regent_process.ts";
import { withTemporaryDirectory } from "../../support/temporary_directory.ts";
import { until } from "../../support/until.ts";

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command that gets this text on its standard input. */
async function runWithInput(args: readonly string[], input: string): Promise<Result> {
  const child = regentCommand(args, { stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** The replies to requests on a connection of its own. */
async function ask(port: number, ...lines: readonly string[]): Promise<string[]> {
  const client = await RawRespClient.connect(port);
  try {
    const replies = await client.send(...lines.map((line) => line.split(" ")));
    return replies.map((reply) => reply.trimEnd());
  } finally {
    client.close();
  }
}

Deno.test("a cluster is locked, and everything of it goes on", async (t) => {
  await withTemporaryDirectory(async (dir) => {
    const flags = ["--http-port", "auto"];
    await withClusterCommand({ dir: `${dir}/data`, flags }, async (cluster) => {
      const { port, rows } = cluster;
      const from = ["--from", `127.0.0.1:${port}`];
      const password = `${dir}/password`;
      await Deno.writeTextFile(password, "pass word\n", { mode: 0o600 });
      const who = ["--user", "root", "--password-file", password];

      await t.step("the secret of the cluster is private", () => {
        for (
          const path of [
            "",
            ...rows.filter(({ data }) => data !== "-").map(({ name }) => name),
          ]
        ) {
          const { mode } = Deno.statSync(`${dir}/data/${path}/cluster-secret`);
          assertEquals((mode ?? 0) & 0o777, 0o600);
        }
      });

      await t.step("the first user is added, and default is turned off", async () => {
        const added = await runWithInput(
          ["user", "add", "root", "--admin", ...from],
          "pass word\n",
        );
        assertEquals([added.code, added.stderr], [0, ""]);
        assertMatch(added.stdout, /^root is added\nThe user default still needs no password\./);
        assertEquals(await ask(port, "ACL SETUSER default off"), ["+OK"]);
        for (const row of rows) {
          await until(`${row.name} is locked`, async () => {
            const [reply] = await ask(row.port, "GET k");
            return reply === "-NOAUTH Authentication required.";
          });
        }
      });

      await t.step("the nodes, the proxy and their HTTP go on", async () => {
        await until("it is written over HTTP", async () => {
          const url = `http://127.0.0.1:${port + 1000}/keys/k`;
          const response = await fetch(url, { method: "PUT", body: "v" });
          await response.body?.cancel();
          return response.ok;
        });
        for (const row of rows) {
          const login = "AUTH root wrong";
          assertMatch((await ask(row.port, login))[0] ?? "", /^-WRONGPASS/);
          const response = await fetch(`http://127.0.0.1:${row.port + 1000}/readyz`);
          assertEquals([row.name, response.status, await response.text()].slice(0, 2), [
            row.name,
            200,
          ]);
        }
      });

      await t.step("commands log in by a file or the environment", async () => {
        const nodes = ["--nodes", `127.0.0.1:${port}`];
        const status = await runRegent(["status", ...nodes, ...who]);
        assertEquals([status.code, status.stderr], [0, ""]);
        const refused = await runRegent(["status", ...nodes]);
        assertEquals(refused.code, 1);
        assertStringIncludes(refused.stderr, "NOAUTH Authentication required");
        const env = { REGENT_USER: "root", REGENT_PASSWORD: "pass word" };
        const get = await runRegent(["cli", "-p", String(port), "GET", "k"], env);
        assertEquals([get.code, get.stdout], [0, "v\n"]);
        const wrong = await runRegent(["status", ...nodes], { ...env, REGENT_PASSWORD: "secret" });
        assertEquals(wrong.stdout, "");
        assertMatch(
          wrong.stderr,
          /^regent: Cannot log in at 127\.0\.0\.1:[0-9]+: invalid username/,
        );
        assert(!wrong.stderr.includes("secret"));
        const backup = await runRegent(["backup", `${dir}/b`, ...from, ...who]);
        assertEquals([backup.code, backup.stderr], [0, ""]);
        const none = await runRegent(["status", ...nodes, "--user", "root"]);
        assertStringIncludes(none.stderr, "Cannot ask for a password without a terminal");
      });

      await t.step("who has lost the password gets in by the secret of the cluster", async () => {
        const secret = ["--cluster-secret-file", `${dir}/data/cluster-secret`];
        const list = await runRegent(["user", "list", ...from, ...secret]);
        assertEquals([list.code, list.stderr], [0, ""]);
        await Deno.writeTextFile(`${dir}/wrong`, "another secret of a cluster\n", { mode: 0o600 });
        const wrong = ["--cluster-secret-file", `${dir}/wrong`];
        const refused = await runRegent(["status", "--nodes", `127.0.0.1:${port}`, ...wrong]);
        assertEquals(refused.code, 1);
        assertStringIncludes(refused.stderr, "WRONGPASS invalid proof of the cluster secret");
      });

      await t.step("users are added with rules, listed and removed", async () => {
        const rules = ["--rules", "+get %R~app:*", "--new-password-file", password];
        const app = await runRegent(["user", "add", "app", ...rules, ...from, ...who]);
        assertEquals([app.code, app.stderr, app.stdout], [0, "", "app is added\n"]);
        const again = await runRegent(["user", "add", "app", ...rules, ...from, ...who]);
        assertMatch(again.stderr, /^regent: Cannot add app: there is such a user/);
        const list = await runRegent(["user", "list", ...from, ...who]);
        assertEquals(list.stdout.split("\n").map((line) => line.replace(/ {2,}/g, "  ")), [
          "user  state  rules",
          "app  on  (password) %R~app:* resetchannels -@all +get",
          "default  off  nopass ~* %F~* &* +@all",
          "root  on  (password) ~* %F~* &* +@all",
          "",
        ]);
        assertEquals(
          (await runRegent(["user", "remove", "app", ...from, ...who])).stdout,
          "app is removed\n",
        );
        const gone = await runRegent(["user", "remove", "app", ...from, ...who]);
        assertEquals([gone.code, gone.stdout], [1, ""]);
      });

      await t.step("a node that dies comes back with the secret in its directory", async () => {
        await restarts(cluster, dir, who);
      });

      await t.step("no log has a password", async () => {
        for await (const { name } of Deno.readDir(`${dir}/data/logs`)) {
          const log = await Deno.readTextFile(`${dir}/data/logs/${name}`);
          assert(!/pass word|nopass word/.test(log), name);
        }
      });
    });
  });
});

async function restarts({ leader, port }: ShownCluster, dir: string, who: readonly string[]) {
  Deno.kill(leader.processId, "SIGKILL");
  const place = ["--dir", `${dir}/data/${leader.name}`, "--http-port", "off"];
  const args = ["node", "--id", leader.name, "--port", String(leader.port), ...place];
  const child = regentCommand(args, { stdin: "null", stdout: "null", stderr: "null" }).spawn();
  try {
    await until("all three are there again", async () => {
      const { stdout } = await runRegent(["status", "--nodes", `127.0.0.1:${port}`, ...who]);
      return [...stdout.matchAll(/ yes /g)].length === 3;
    });
  } finally {
    child.kill("SIGTERM");
    await child.status;
  }
}
