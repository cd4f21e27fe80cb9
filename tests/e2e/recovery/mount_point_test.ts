import { assertEquals, assertStringIncludes } from "@std/assert";
import { ask } from "../../support/local_cluster.ts";
import { CAN_MOUNT, withMountedDirectory } from "../../support/mounted_directory.ts";
import { runRegent } from "../../support/regent_process.ts";
import { nodePlace, withServingNode } from "../../support/serving_node.ts";
import { withTemporaryDirectory } from "../../support/temporary_directory.ts";

/** A volume is mounted at `--dir`: files can be created in it, but it cannot be renamed. */
Deno.test({
  name: "restore and recover where the data directory is a mount point",
  ignore: !CAN_MOUNT,
  async fn(t) {
    await withMountedDirectory(async (dir) => {
      await withTemporaryDirectory(async (elsewhere) => {
        const file = `${elsewhere}/one.backup`;
        await backUp(`${elsewhere}/n1`, file);
        const place = nodePlace(dir);
        await t.step("restore fills it", async () => {
          Deno.mkdirSync(`${dir}/lost+found`);
          const { code, stderr } = await runRegent(["restore", file, "--dir", dir, "--id", "n1"]);
          assertEquals([code, stderr], [0, ""]);
          await withServingNode(place, [], async () => {
            assertEquals(await ask(place, ["GET", "k"]), "v");
            await ask(place, ["SET", "k", "w"]);
          });
        });
        await t.step("recover changes its content, by way of a symbolic link too", async () => {
          const link = `${elsewhere}/link`;
          Deno.symlinkSync(dir, link);
          const dirs = ["--dir", dir, "--dir", link, "--dir", `${dir}/../${dir.split("/").at(-1)}`];
          const before = Deno.readTextFileSync(`${dir}/identity.json`);
          const { code, stdout, stderr } = await runRegent(["recover", ...dirs, "--yes"]);
          assertEquals([code, stderr], [0, ""]);
          const [, kept = ""] = /^The old content is kept in (.*)$/m.exec(stdout) ?? [];
          assertStringIncludes(kept, `${dir}/before-recovery-`);
          assertEquals(Deno.readTextFileSync(`${kept}/identity.json`), before);
          await withServingNode(place, [], async () => {
            assertEquals(await ask(place, ["GET", "k"]), "w");
          });
        });
        await t.step("what was kept is a node's directory, too", async () => {
          const [kept = ""] = [...Deno.readDirSync(dir)].map(({ name }) => name)
            .filter((name) => name.startsWith("before-recovery-"));
          const { code, stdout } = await runRegent(["log", "--dir", `${dir}/${kept}`]);
          assertEquals(code, 0);
          assertStringIncludes(stdout, "SET");
        });
      });
    });
  },
});

async function backUp(dir: string, file: string): Promise<void> {
  const place = nodePlace(dir);
  await withServingNode(place, ["--role", "leader"], async () => {
    await ask(place, ["SET", "k", "v"]);
    const { code } = await runRegent(["backup", "--from", `127.0.0.1:${place.port}`, file]);
    assertEquals(code, 0);
  });
}

Deno.test("a path that is not a directory, or not a file, is reported in one line", async () => {
  await withTemporaryDirectory(async (dir) => {
    const file = `${dir}/file`;
    Deno.writeTextFileSync(file, "");
    const node = ["node", "--id", "n1", "--port", "1", "--raft-port", "2", "--role", "leader"];
    const wrong: [args: string[], code: number, message: string][] = [
      [
        ["restore", dir, "--dir", `${dir}/n1`, "--id", "n1"],
        1,
        `Cannot read ${dir}: it is a directory`,
      ],
      [["restore", `${file}/x`, "--dir", `${dir}/n1`, "--id", "n1"], 1, `Cannot read ${file}/x: `],
      [
        ["restore", file, "--dir", file, "--id", "n1"],
        1,
        `Cannot read ${file}: it is not a directory`,
      ],
      [["recover", "--dir", file], 1, `Cannot read ${file}: it is not a directory`],
      [
        ["recover", "--dir", dir],
        1,
        `Cannot recover from ${dir}: it is not the data directory of a node`,
      ],
      [["recover", "--dir", ""], 2, "Cannot use --dir: expected a directory"],
      [["log", "--dir", file], 1, `Cannot read ${file}: it is not a directory`],
      [["log", "--dir", ""], 2, "Cannot use --dir: expected a directory"],
      [[...node, "--dir", file], 1, `Cannot use ${file}: `],
      [[...node, "--dir", ""], 2, "Cannot use --dir: expected a directory"],
      [["cluster", "--dir", file], 1, "Cannot use --dir: "],
      [["cluster", "--dir", ""], 2, "Cannot use --dir: expected a directory"],
    ];
    await Promise.all(wrong.map(async ([args, wanted, message]) => {
      const { code, stdout, stderr } = await runRegent(args);
      assertEquals([code, stdout], [wanted, ""], `${args.join(" ")}: ${stderr}`);
      assertEquals(stderr.split("\n").length, 2, stderr);
      assertStringIncludes(stderr, message);
    }));
    assertEquals([...Deno.readDirSync(dir)].map(({ name }) => name), ["file"]);
  });
});
