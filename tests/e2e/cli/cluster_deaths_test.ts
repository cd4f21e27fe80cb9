import { assertEquals, assertMatch } from "@std/assert";
import {
  type ShownCluster,
  untilAllDead,
  withClusterCommand,
} from "../../support/cluster_command.ts";
import { ask, roleOf } from "../../support/local_cluster.ts";
import { runRegent } from "../../support/regent_process.ts";
import { replyText } from "../../support/reply_text.ts";
import { withCommand } from "../../support/running_command.ts";
import { withTemporaryDirectory } from "../../support/temporary_directory.ts";
import { until } from "../../support/until.ts";

const CLOCK = "[0-9]{2}:[0-9]{2}:[0-9]{2}";

Deno.test("regent cluster reports deaths and elections", async (t) => {
  await withTemporaryDirectory(async (dir) => {
    await withClusterCommand({ dir }, async (cluster) => {
      await t.step(
        "the leader killed: one line for its death, one for its successor",
        () => leaderKilled(cluster),
      );
      await t.step("it is brought back by the command that was shown", () => broughtBack(cluster));
      await t.step("the proxy killed: one line", () => proxyKilled(cluster));
      await t.step(
        "a node that is stopped: one line, and it cannot hold up the end",
        () => stopped(cluster),
      );
    });
  });
});

Deno.test("regent cluster --restart restarts dead nodes", async () => {
  await withTemporaryDirectory(async (dir) => {
    await withClusterCommand(
      { dir, flags: ["--restart"] },
      async ({ command, rows, port, leader }) => {
        assertEquals(replyText(await ask({ port }, ["SET", "k", "v"])), "OK");
        const follower = rows.find(({ role }) => role === "follower") ?? leader;
        const proxy = rows.find(({ name }) => name === "proxy") ?? leader;
        for (const dead of [leader, follower, proxy]) {
          Deno.kill(dead.processId, "SIGKILL");
          await command.line(new RegExp(`^${CLOCK}  ${dead.name} was restarted$`));
          if (dead !== proxy) {
            await command.line(new RegExp(`^${CLOCK}  ${dead.name} answers, as [a-z]+ of term`));
          }
          await until("it serves", async () => await ask({ port }, ["GET", "k"]) === "v");
        }
        assertEquals(command.linesLike(/ died, killed by SIGKILL$/).length, 3);
        // A node that is asked to stop is not reported as dead, and is still restarted.
        const restarts = () => command.linesLike(/ was restarted$/).length;
        const { processId } = await processOf(follower);
        Deno.kill(processId, "SIGTERM");
        await command.line(
          new RegExp(`^${CLOCK}  ${follower.name} \\(pid ${processId}\\) was stopped$`),
        );
        await until("it is started again", () => restarts() === 4);
        await until("it follows", async () => (await roleOf(follower))?.leaderId !== "");
        // A removed node is not restarted.
        const removal = ["remove", follower.name, "--from", `127.0.0.1:${port}`];
        assertEquals((await runRegent(removal)).code, 0);
        await command.line(
          new RegExp(`^${CLOCK}  ${follower.name} .* ended: it is no longer a member$`),
        );
        assertEquals(await ask({ port }, ["GET", "k"]), "v");
        command.signal("SIGTERM");
        assertEquals(await command.ended(), 0);
        await untilAllDead(rows);
      },
    );
  });
});

Deno.test("a node that was brought back by hand is adopted when the cluster starts again", async () => {
  await withTemporaryDirectory(async (dir) => {
    const { port, node } = await withClusterCommand({ dir }, async ({ command, rows, port }) => {
      const node = rows.find(({ role }) => role === "follower");
      assertEquals(replyText(await ask({ port }, ["SET", "k", "v"])), "OK");
      Deno.kill(node?.processId ?? 0, "SIGTERM");
      await command.line(new RegExp(`^${CLOCK}  ${node?.name} \\(pid [0-9]+\\) was stopped$`));
      assertEquals(command.linesLike(/died/), []);
      return { port, node };
    });
    if (node === undefined) throw new Error("no follower was shown");
    const words = ["node", "--id", node.name, "--port", String(node.port), "--dir", node.data];
    await withCommand(words, async (byHand) => {
      await until("it answers", async () => (await roleOf(node)) !== null, {
        describe: () => byHand.stderr,
      });
      const { processId } = await processOf(node);
      await withClusterCommand({ dir, port }, async ({ command, rows }) => {
        const line = `${node.name} is already running (pid ${processId}) and is used as it is`;
        assertEquals(command.linesLike(/is already running/), [line]);
        assertEquals(rows.find(({ name }) => name === node.name)?.processId, processId);
        await until("it follows", async () => (await roleOf(node))?.leaderId !== "");
        assertEquals(await ask(node, ["GET", "k"]), "v");
        command.signal("SIGINT");
        assertEquals(await command.ended(), 0);
        const end =
          `${node.name} (pid ${processId}) keeps running: it was not started by this command.`;
        assertEquals(command.linesLike(/keeps running/), [end]);
      });
      assertEquals((await processOf(node)).processId, processId);
    });
  });
});

async function processOf(node: { readonly port: number }): Promise<{ processId: number }> {
  const info = String(await ask(node, ["INFO", "server"]));
  return { processId: Number(/^process_id:([0-9]+)/m.exec(info)?.[1]) };
}

async function leaderKilled({ command, leader, port }: ShownCluster): Promise<void> {
  assertEquals(replyText(await ask({ port }, ["SET", "k", "v"])), "OK");
  Deno.kill(leader.processId, "SIGKILL");
  const election = await command.line(new RegExp(`^${CLOCK}  n[123] leads in term`));
  assertMatch(
    election,
    new RegExp(
      `^${CLOCK}  n[123] leads in term [0-9]+, [0-9]+\\.[0-9]{2} s after ${leader.name} was last heard$`,
    ),
  );
  const { name, processId } = leader;
  const death = await command.line(/ died/);
  assertMatch(
    death,
    new RegExp(`^${CLOCK}  ${name} \\(pid ${processId}\\) died, killed by SIGKILL$`),
  );
  assertEquals(await ask({ port }, ["GET", "k"]), "v");
  assertEquals(command.linesLike(new RegExp(`^${CLOCK}  ${name} `)), [death]);
}

async function broughtBack({ command, leader, port }: ShownCluster): Promise<void> {
  const line = await command.line(/brings it back$/);
  const words = / (node --id .*) {4}# brings it back$/.exec(line)?.[1]?.split(" ") ?? [];
  await withCommand(words, async () => {
    const answers = await command.line(new RegExp(`^${CLOCK}  ${leader.name} answers, as `));
    assertMatch(answers, / answers, as (follower|candidate) of term [0-9]+$/);
    await until("it follows", async () => (await roleOf(leader))?.leaderId !== "");
    await until("all three are shown alive", async () => {
      const { code, stdout } = await runRegent(["status", "--nodes", `127.0.0.1:${port}`]);
      return code === 0 && stdout.match(/ yes /gm)?.length === 3;
    });
    assertEquals(await ask(leader, ["GET", "k"]), "v");
    assertEquals(command.linesLike(/ does not answer$/), []);
  });
  await command.line(new RegExp(`^${CLOCK}  ${leader.name} does not answer$`));
}

async function proxyKilled({ command, rows }: ShownCluster): Promise<void> {
  const proxy = rows.find(({ name }) => name === "proxy");
  Deno.kill(proxy?.processId ?? 0, "SIGKILL");
  await command.line(new RegExp(`^${CLOCK}  proxy \\(pid [0-9]+\\) died, killed by SIGKILL$`));
}

async function stopped({ command, rows, leader }: ShownCluster): Promise<void> {
  const node = rows.find(({ name, role }) => role === "follower" && name !== leader.name) ?? leader;
  Deno.kill(node.processId, "SIGSTOP");
  await command.line(new RegExp(`^${CLOCK}  ${node.name} does not answer$`));
  command.signal("SIGTERM");
  assertEquals(await command.ended(), 0);
  assertEquals(command.stderr, "");
  await untilAllDead(rows);
}
