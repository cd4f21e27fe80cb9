import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fieldsOf } from "../../../src/cli/resp_client.ts";
import { PATIENT } from "../../support/calm.ts";
import { freePorts } from "../../support/free_ports.ts";
import { ask, type LocalCluster, type Member } from "../../support/local_cluster.ts";
import { RegentProcess, runRegent } from "../../support/regent_process.ts";
import { nodePlace } from "../../support/serving_node.ts";
import { withTemporaryDirectory } from "../../support/temporary_directory.ts";
import { until } from "../../support/until.ts";
import { withCluster } from "../../support/with_cluster.ts";

const HTTP = { ...PATIENT, http: true, files: true };

function random(bytes: number): Uint8Array {
  const block = crypto.getRandomValues(new Uint8Array(65_536));
  return new Uint8Array(bytes).map((_, at) => (block[at % block.length] ?? 0) ^ (at >> 16));
}

/** Runs a command at this member, and returns what it printed if it succeeded. */
async function regent(member: Member, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runRegent(args, {
    REGENT_HTTP: `127.0.0.1:${member.httpPort}`,
  });
  assertEquals([code, stderr], [0, ""], args.join(" "));
  return stdout;
}

async function repairStatus(member: Member, name: string): Promise<number> {
  const reply = await ask(member, ["FILE", "REPAIR", "STATUS"]);
  return reply === null ? NaN : Number(fieldsOf(reply).get(name));
}

async function untilSettled(cluster: LocalCluster, nodes: number): Promise<void> {
  await until("all copies are where they belong", async () => {
    const { proxy } = cluster;
    return await repairStatus(proxy, "up") === nodes && await repairStatus(proxy, "missing") === 0;
  }, { describe: () => cluster.said() });
}

Deno.test("files go in through any member, and come out of any other", async () => {
  await withTemporaryDirectory((dir) =>
    withCluster(HTTP, async (cluster) => {
      await untilSettled(cluster, 3);
      const [n1, n2] = cluster.nodes;
      assert(n1 !== undefined && n2 !== undefined);
      const bytes = random(20_000_000);
      Deno.mkdirSync(`${dir}/album`);
      Deno.writeFileSync(`${dir}/album/año 1.flac`, bytes);
      Deno.writeTextFileSync(`${dir}/album/empty`, "");
      await regent(n1, "put", "--recursive", "--prefix", "music/", `${dir}/album`);
      const names = "music/album/año 1.flac\nmusic/album/empty\n";
      for (const member of [n1, n2, cluster.proxy]) {
        assertEquals(await regent(member, "files", "music/"), names);
        await regent(member, "get", "music/album/año 1.flac", "-o", `${dir}/${member.name}`);
        assertEquals(Deno.readFileSync(`${dir}/${member.name}`), bytes);
      }
      await untilSettled(cluster, 3);
      assertMatch(await regent(n2, "files", "where", "music/album/empty"), /n1,n2,n3 {2}healthy/);
      await regent(cluster.proxy, "files", "rm", "music/album/empty");
      assertEquals(await regent(n1, "files"), "music/album/año 1.flac\n");
    })
  );
});

Deno.test("a removed node's files are elsewhere before it goes", async () => {
  await withTemporaryDirectory((dir) =>
    withCluster({ ...HTTP, nodes: 4 }, async (cluster) => {
      await untilSettled(cluster, 4);
      for (let at = 0; at < 12; at++) Deno.writeFileSync(`${dir}/${at}`, random(300_000 + at));
      const files = Array.from({ length: 12 }, (_, at) => `${dir}/${at}`);
      await regent(cluster.proxy, "put", "--copies", "1", ...files);
      const followers = await cluster.followers();
      const gone = followers[0];
      assert(gone !== undefined);
      const from = ["--from", `127.0.0.1:${cluster.proxy.port}`];
      assertEquals(
        await regent(cluster.proxy, "remove", gone.name, ...from),
        `${gone.name} is removed\n`,
      );
      await gone.process.ended();
      // With one copy of each, none would be left of those that were not moved.
      for (const file of files) {
        const name = file.slice(dir.length + 1);
        await regent(cluster.proxy, "get", name, "-o", `${dir}/got-${name}`);
        assertEquals(Deno.readFileSync(`${dir}/got-${name}`), Deno.readFileSync(file));
      }
    })
  );
});

Deno.test("a backup has the contents of files, and a new cluster is made of it", async () => {
  await withTemporaryDirectory(async (dir) => {
    const bytes = random(5_000_000);
    Deno.writeFileSync(`${dir}/song`, bytes);
    const backup = ["backup", `${dir}/state`, "--files", `${dir}/contents`];
    await withCluster(HTTP, async (cluster) => {
      await untilSettled(cluster, 3);
      const from = ["--from", `127.0.0.1:${cluster.proxy.port}`];
      await regent(cluster.proxy, "put", `${dir}/song`);
      const said = await regent(cluster.proxy, ...backup, ...from);
      assertStringIncludes(said, "/contents: 1 contents copied, 5000000 bytes");
      await regent(cluster.proxy, "put", "--name", "again", `${dir}/song`);
      const again = await regent(cluster.proxy, ...backup, ...from, "--force");
      assertStringIncludes(again, "/contents: 0 contents copied");
    });
    const { args, port } = nodePlace(`${dir}/n1`);
    const [httpPort = 0] = freePorts(1);
    const restored = await runRegent(
      ["restore", `${dir}/state`, "--files", `${dir}/contents`, "--dir", `${dir}/n1`, "--id", "n1"],
    );
    assertEquals([restored.code, restored.stderr], [0, ""]);
    assertStringIncludes(restored.stdout, "Contents of 2 files, 10000000 bytes");
    const node = new RegentProcess([
      ...args,
      "--http-port",
      String(httpPort),
      "--file-weight",
      "1",
    ]);
    try {
      const member = { name: "n1", port, httpPort, args, dir, process: node };
      await until("the node holds its files", async () => {
        return await repairStatus(member, "up") === 1 &&
          await repairStatus(member, "missing") === 0;
      }, { describe: () => node.said });
      for (const name of ["song", "again"]) {
        await regent(member, "get", name, "-o", `${dir}/got-${name}`);
        assertEquals(Deno.readFileSync(`${dir}/got-${name}`), bytes);
      }
    } finally {
      await node.signal("SIGKILL");
      await node.ended();
    }
  });
});
