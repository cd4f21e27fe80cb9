import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { CALM } from "../../support/calm.ts";
import { ask, type LocalCluster, type Member, roleOf } from "../../support/local_cluster.ts";
import { RegentProcess, runRegent } from "../../support/regent_process.ts";
import { replyText } from "../../support/reply_text.ts";
import { nodePlace } from "../../support/serving_node.ts";
import { until } from "../../support/until.ts";
import { wholeState } from "../../support/whole_state.ts";
import { withCluster } from "../../support/with_cluster.ts";

const KEYS = 100;

Deno.test("a cluster that has lost its majority for good", async (t) => {
  await withCluster({ ...CALM, proxies: 0 }, async (cluster) => {
    await t.step("is not touched while a node runs", () => refusesRunning(cluster));
    const [survivor, second, straggler] = await fallApart(cluster);
    await t.step("is compared, and nothing is done without a yes", () => {
      return comparesOnly(cluster, [straggler, survivor], survivor);
    });
    await t.step("goes on from the newest log, as a new cluster", () => {
      return recovers(straggler, survivor);
    });
    await t.step("is finished when a recovery died between its moves", () => finishes(survivor));
    await t.step("grows again, and stragglers of the old one stay outside", () => {
      return growsAgain(cluster, survivor, second, straggler);
    });
  });
});

async function refusesRunning(cluster: LocalCluster): Promise<void> {
  const [node] = cluster.nodes;
  const dir = node?.dir ?? "";
  const { code, stdout, stderr } = await runRegent(["recover", "--dir", dir, "--yes"]);
  assertEquals([code, stdout], [1, ""]);
  assertMatch(stderr, /^regent: Cannot use \S+: another process \(pid \d+\) has it open\n$/);
  const none = await runRegent(["recover", "--dir", cluster.dir, "--yes"]);
  assertEquals(none.code, 1);
  assertStringIncludes(none.stderr, "it is not the data directory of a node");
}

/** The leader with all writes, a node that lacks the last ones, and one that dies with its disk. */
async function fallApart(cluster: LocalCluster): Promise<[Member, Member, Member]> {
  const leader = await cluster.leader();
  const [second, straggler] = await cluster.followers();
  assert(second !== undefined && straggler !== undefined);
  for (let at = 0; at < KEYS / 2; at++) await ask(leader, ["SET", `key${at}`, `v${at}`]);
  await ask(leader, ["BGSAVE"]);
  await until("the straggler has it all", async () => {
    return (await roleOf(straggler))?.appliedIndex === (await roleOf(leader))?.appliedIndex;
  });
  await straggler.process.signal("SIGKILL");
  for (let at = KEYS / 2; at < KEYS; at++) {
    assertEquals(replyText(await ask(leader, ["SET", `key${at}`, `v${at}`])), "OK");
  }
  await second.process.signal("SIGKILL");
  await leader.process.signal("SIGKILL");
  Deno.removeSync(second.dir, { recursive: true });
  return [leader, second, straggler];
}

async function comparesOnly(
  cluster: LocalCluster,
  left: readonly Member[],
  survivor: Member,
): Promise<void> {
  const dirs = left.flatMap(({ dir }) => ["--dir", dir]);
  const { code, stdout, stderr } = await runRegent(["recover", ...dirs]);
  assertEquals([code, stderr], [1, ""]);
  assertMatch(stdout, /^id +directory +cluster +term +last term +last index +snapshot$/m);
  for (const { name, dir } of left) {
    assertMatch(stdout, new RegExp(`^${name} +${dir} +[0-9a-f]{32} +\\d+ +\\d+ +\\d+ +\\d+$`, "m"));
  }
  assertStringIncludes(stdout, `${survivor.name} has the newest log: it ends with entry`);
  assertStringIncludes(stdout, "Nothing was changed. To create the new cluster, give --yes\n");
  const alone = await runRegent(["recover", "--dir", survivor.dir]);
  assertStringIncludes(alone.stdout, "Acknowledged writes that only they hold may be lost.");
  assertMatch(alone.stdout, /^Kept: everything up to entry \d+\./m);
  const names = [...Deno.readDirSync(cluster.dir)].map(({ name }) => name);
  assertEquals(names.filter((name) => name.includes(".")), []);
}

async function recovers(
  straggler: Member,
  survivor: Member,
): Promise<void> {
  const before = Deno.readTextFileSync(`${survivor.dir}/identity.json`);
  const { code, stdout, stderr } = await runRegent(
    ["recover", "--dir", straggler.dir, "--dir", survivor.dir, "--yes"],
  );
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, new RegExp(`: node ${survivor.name} of the new cluster [0-9a-f]{32}, entry`));
  assertStringIncludes(stdout, `${KEYS} keys\n`);
  const kept = keptOf(survivor);
  assertEquals(Deno.readTextFileSync(`${kept}/identity.json`), before);
  assert(Deno.readTextFileSync(`${survivor.dir}/identity.json`) !== before);
  const names = [...Deno.readDirSync(survivor.dir)].map(({ name }) => name);
  assert(!names.includes("staging") && !names.includes("installing"));
}

function keptOf({ dir }: Member): string {
  const kept = [...Deno.readDirSync(dir)].map(({ name }) => name)
    .filter((name) => name.startsWith("before-recovery-"));
  assertEquals(kept.length, 1);
  return `${dir}/${kept[0]}`;
}

/** The state after a crash between the moves of the log and of the snapshots. */
async function finishes(survivor: Member): Promise<void> {
  const identity = Deno.readTextFileSync(`${survivor.dir}/identity.json`);
  const kept = keptOf(survivor);
  Deno.mkdirSync(`${survivor.dir}/staging`);
  for (const name of ["identity.json", "log", "snapshots"]) {
    Deno.renameSync(`${survivor.dir}/${name}`, `${survivor.dir}/staging/${name}`);
  }
  Deno.renameSync(`${kept}/snapshots`, `${survivor.dir}/snapshots`);
  const start = await runRegent([
    "node",
    "--id",
    survivor.name,
    "--port",
    "1",
    "--raft-port",
    "2",
    "--dir",
    survivor.dir,
  ]);
  assertEquals(start.code, 1);
  assertStringIncludes(start.stderr, "was interrupted; run the same command again");
  const { code, stderr } = await runRegent(["recover", "--dir", survivor.dir, "--yes"]);
  assertEquals(code, 1);
  assertStringIncludes(stderr, "an earlier recovery had been interrupted, and is now finished");
  assertEquals(Deno.readTextFileSync(`${survivor.dir}/identity.json`), identity);
  assert(Deno.statSync(`${keptOf(survivor)}/snapshots`).isDirectory);
}

async function growsAgain(
  cluster: LocalCluster,
  survivor: Member,
  second: Member,
  straggler: Member,
): Promise<void> {
  const [first, ...others] = [survivor.name, second.name, straggler.name].map((id) =>
    nodePlace(id === survivor.name ? survivor.dir : `${cluster.dir}/new-${id}`, id)
  );
  assert(first !== undefined);
  const processes = [new RegentProcess(first.args)];
  const said = () => processes.map(({ said }) => said).join("\n---\n");
  try {
    await until("it serves", async () => await ask(first, ["DBSIZE"]) === KEYS, { describe: said });
    assertEquals(await ask(first, ["GET", `key${KEYS - 1}`]), `v${KEYS - 1}`);
    // The straggler's old directory, with the address of the new cluster: it must not get in.
    const [, raftPort] = [first.port, first.raftPort];
    const old = new RegentProcess(
      straggler.args.map((arg) =>
        arg.replace(
          new RegExp(`(^|,)${survivor.name}=[^,]+`),
          `$1${survivor.name}=127.0.0.1:${raftPort}`,
        )
      ),
    );
    processes.push(old);
    await until("the straggler was turned away", () => {
      return (processes[0]?.said ?? "").includes(`${straggler.name} belongs to another cluster`);
    }, { describe: said });
    assertEquals((await roleOf(straggler))?.leaderId, "");
    await old.signal("SIGKILL");
    for (const place of others) {
      processes.push(new RegentProcess([...place.args, "--join", `127.0.0.1:${first.port}`]));
    }
    await until("both have their votes", async () => {
      const roles = await Promise.all(others.map(roleOf));
      return roles.every((report) => report?.role === "follower");
    }, { describe: said });
    assertEquals(replyText(await ask(first, ["SET", "new", "v"])), "OK");
    const expected = await wholeState(first);
    assertEquals(expected.length, KEYS + 1);
    for (const place of others) assertEquals(await wholeState(place), expected);
  } finally {
    await Promise.all(processes.map((one) => one.signal("SIGKILL")));
  }
}
