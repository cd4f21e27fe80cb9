import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  type ShownCluster,
  untilAllDead,
  withClusterCommand,
} from "../../support/cluster_command.ts";
import { freeClusterPort } from "../../support/cluster_ports.ts";
import { FewDescriptors } from "../../support/few_descriptors.ts";
import { ask } from "../../support/local_cluster.ts";
import { runRegent } from "../../support/regent_process.ts";
import { replyText } from "../../support/reply_text.ts";
import { withTemporaryDirectory } from "../../support/temporary_directory.ts";
import { until } from "../../support/until.ts";

Deno.test("regent cluster", async (t) => {
  await withTemporaryDirectory(async (dir) => {
    const port = freeClusterPort(3);
    await withClusterCommand({ dir, port }, async (cluster) => {
      await t.step("shows who is who, and serves at once", () => showsAndServes(cluster, dir));
      await t.step("on its ports there is no place for another", () => noPlace(cluster, dir));
      await t.step("on its directory neither", () => sameDirectory(dir));
      await t.step("SIGTERM ends all of it, in good order", () => ends(cluster, "SIGTERM"));
    });
    await t.step(
      "started again it is the same cluster, and Ctrl-C ends it as well",
      () =>
        withClusterCommand({ dir, port }, async (cluster) => {
          assertEquals(await ask(cluster, ["GET", "k"]), "v");
          await ends(cluster, "SIGINT");
        }),
    );
    await t.step("a kill -9 takes the children along, and loses nothing", async () => {
      await withClusterCommand({ dir, port }, (cluster) => killed(cluster));
      await withClusterCommand({ dir, port }, async (cluster) => {
        assertEquals(await ask(cluster, ["GET", "k"]), "v");
      });
    });
    await t.step("other members than the directory's are refused", async () => {
      const { code, stdout, stderr } = await start(dir, port, ["--nodes", "1"]);
      assertEquals([code, stdout], [1, "Starting 1 node and a proxy…\n"]);
      assertMatch(
        stderr,
        /^regent: Cannot start: n1 \(pid [0-9]+\) died, exit code 1: Cannot [^\n]+\n$/,
      );
      assertStringIncludes(stderr, "Cannot change the members of n1's cluster by --peers");
    });
    await t.step("a directory that cannot be is told in one line", async () => {
      const { code, stderr } = await start(`${dir}/n1/identity.json`, port, []);
      assertEquals(code, 1);
      assertMatch(stderr, /^regent: Cannot use --dir: [^\n]+identity.json[^\n]+\n$/);
    });
  });
});

Deno.test("regent cluster of one node, with flags of nodes in the environment", async () => {
  await withTemporaryDirectory(async (dir) => {
    const env = {
      REGENT_RAFT_PORT: "1",
      REGENT_HOST: "192.0.2.1",
      REGENT_ADVERTISE: "nowhere",
      REGENT_JOIN: "nobody:1",
      REGENT_PROXY_PORT: "1",
    };
    await withClusterCommand({ dir, nodes: 1, env }, async ({ rows, port }) => {
      assertEquals(rows.map(({ name, role }) => [name, role]), [["n1", "leader"], [
        "proxy",
        "proxy",
      ]]);
      assertEquals(replyText(await ask({ port }, ["SET", "k", "v"])), "OK");
    });
  });
});

Deno.test("regent cluster with a low limit of open files fits its clients to it", async () => {
  await withTemporaryDirectory(async (dir) => {
    const port = String(freeClusterPort(1));
    const limited = new FewDescriptors(200, [
      "cluster",
      "--nodes",
      "1",
      "--dir",
      dir,
      "--port",
      port,
    ]);
    try {
      for (const name of ["n1", "proxy"]) {
        await until(`${name} says how many clients fit`, () => {
          const isFitted = /accepts at most [0-9]{2,3} clients instead of 10000/;
          return isFitted.test(logOf(dir, name));
        });
      }
    } finally {
      await limited.kill();
    }
  });
});

Deno.test("regent cluster on directories with unusual names", async () => {
  await withTemporaryDirectory(async (above) => {
    Deno.mkdirSync(`${above}/real`);
    Deno.symlinkSync("real", `${above}/link`);
    for (const name of ["link", "link/a,b", "two words, it's 100%20 ä"]) {
      const dir = `${above}/${name}`;
      for (const reply of ["OK", "v"]) {
        await withClusterCommand({ dir, nodes: 1 }, async ({ command, port, rows }) => {
          const request = reply === "OK" ? ["SET", "k", "v"] : ["GET", "k"];
          assertEquals(replyText(await ask({ port }, request)), reply);
          assertEquals(rows[0]?.data, `${dir}/n1`);
          const shown = name.includes(" ") ? `'${dir.replace("'", "'\\''")}/n1'` : `${dir}/n1`;
          assertStringIncludes(
            command.stdout,
            ` --dir ${shown} --allow-faults    # brings it back\n`,
          );
        });
      }
    }
  });
});

/** What a member of the cluster has logged so far. */
function logOf(dir: string, name: string): string {
  try {
    return Deno.readTextFileSync(`${dir}/logs/${name}.log`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

function start(dir: string, port: number, flags: readonly string[]) {
  return runRegent(["cluster", "--dir", dir, "--port", String(port), ...flags]);
}

async function showsAndServes(cluster: ShownCluster, dir: string): Promise<void> {
  const { command, rows, port, leader } = cluster;
  assertEquals(replyText(await ask(cluster, ["SET", "k", "v"])), "OK");
  assertEquals(command.stderr, "");
  assertEquals(command.linesLike(/^name +role +address +pid +data$/).length, 1);
  assertEquals(rows.map(({ name }) => name), ["n1", "n2", "n3", "proxy"]);
  assertEquals(rows.map((row) => row.port), [port + 1, port + 2, port + 3, port]);
  assertEquals(rows.map(({ role }) => role).sort(), ["follower", "follower", "leader", "proxy"]);
  for (const { name, processId, data } of rows) {
    assert(processId > 0);
    assertEquals(data, name === "proxy" ? "-" : `${dir}/${name}`);
    assert(Deno.statSync(`${dir}/logs/${name}.log`).size > 0);
  }
  const info = await ask(leader, ["INFO", "server"]);
  assertStringIncludes(JSON.stringify(info), `process_id:${leader.processId}`);
  // The commands that it suggests.
  assertStringIncludes(command.stdout, `  redis-cli -p ${port} set greeting hello\n`);
  assertMatch(command.stdout, new RegExp(`^ {2}kill -9 ${leader.processId} `, "m"));
  assertStringIncludes(command.stdout, ` node --id ${leader.name} --port ${leader.port} --dir`);
}

async function noPlace({ port, rows }: ShownCluster, dir: string): Promise<void> {
  const { code, stderr } = await start(`${dir}/other`, port, []);
  assertEquals(code, 1);
  const [first] = rows;
  assertEquals(
    stderr,
    `regent: Cannot listen on 127.0.0.1:${port + 1}: the port is in use by node n1, pid ` +
      `${first?.processId}; end that process, or choose other ports with --port\n`,
  );
  const other = await start(`${dir}/other`, port - 1, ["--nodes", "1"]);
  assertMatch(other.stderr, /: the port is in use by a proxy, pid [0-9]+; end that/);
}

async function sameDirectory(dir: string): Promise<void> {
  const { code, stderr } = await start(dir, freeClusterPort(3), []);
  assertEquals(code, 1);
  assertMatch(stderr, /^regent: Cannot start: n[123] [^\n]+ another process [^\n]+ has it open\n$/);
}

async function ends(
  { command, rows }: ShownCluster,
  signal: "SIGTERM" | "SIGINT",
): Promise<void> {
  const saidBefore = command.stdout.length;
  command.signal(signal);
  assertEquals(await command.ended(), 0);
  await untilAllDead(rows);
  assertEquals(command.stderr, "");
  assertStringIncludes(
    command.stdout,
    "\nStopped. The same command starts the same cluster again.\n",
  );
  assert(!/died/.test(command.stdout), command.stdout);
  // On a busy machine a node may be silent for a second at any time: its end must not be reported
  // as that.
  assert(!/does not answer/.test(command.stdout.slice(saidBefore)), command.stdout);
}

async function killed({ command, rows, port }: ShownCluster): Promise<void> {
  assertEquals(await ask({ port }, ["GET", "k"]), "v");
  command.signal("SIGKILL");
  await command.ended();
  await untilAllDead(rows);
}
