import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type ReadmeCommand, readmeCommands, readmeSection } from "../support/readme.ts";
import { hasTool } from "../support/redis_tools.ts";
import { runRegent } from "../support/regent_process.ts";
import { type Terminal, type Typed, Typist } from "../support/typist.ts";
import { until } from "../support/until.ts";

const CLOCK = "[0-9]{2}:[0-9]{2}:[0-9]{2}";
/** The commands are those of the source: the compiled program has no README of its own. */
const ignore = Deno.env.has("REGENT_BINARY") || !hasTool("redis-cli");

Deno.test({ name: "the README, typed literally", ignore, fn: typeReadme });

async function typeReadme(t: Deno.TestContext): Promise<void> {
  const typist = await Typist.start();
  try {
    const [cluster = ""] = readmeCommands(readmeSection(null)).map(({ command }) => command);
    const first = typist.open(cluster);
    let byHand = null as Terminal | null;
    await t.step("a first session", async () => {
      byHand = await firstSession(typist, first);
    });
    await t.step("Ctrl-C, and the same command again", async () => {
      await first.interrupt();
      await first.line(/^Stopped\. The same command starts the same cluster again\.$/);
      await first.ended;
    });
    const again = typist.open(cluster);
    await t.step("takes in the node that runs, with the data", async () => {
      await again.line(/^n[123] is already running \(pid [0-9]+\) and is used as it is$/);
      await again.line(/ status --nodes /);
      assertEquals((await typist.type("redis-cli -p 7000 get greeting")).stdout, "again\n");
    });
    await t.step("without redis-cli", () => withoutRedisCli(typist));
    await t.step("make it fail on purpose", () => failOnPurpose(typist, again));
    await t.step("users and rights", () => usersAndRights(typist));
    await t.step("Ctrl-C in both terminals ends everything", async () => {
      await again.interrupt();
      await again.line(
        /^n[123] \(pid [0-9]+\) keeps running: it was not started by this command\.$/,
      );
      await again.ended;
      await byHand?.interrupt();
      await byHand?.ended;
    });
  } finally {
    await typist.stop();
  }
}

interface Row {
  readonly id: string;
  readonly role: string;
  readonly port: string;
  readonly processId: string;
}

/** The rows of the table of nodes that `cluster` or `status` prints. */
function rowsOf(text: string): Row[] {
  return text.split("\n").filter((line) => /^n[0-9] /.test(line)).map((line) => {
    const [id = "", role = ""] = line.split(/ {2,}/);
    const [, port = "", processId = ""] = / 127\.0\.0\.1:([0-9]+) +([0-9]+)/.exec(line) ?? [];
    return { id, role, port, processId };
  });
}

/** Another node may lead than in the README: the two names are swapped. */
function forLeader(shown: Row, actual: Row): (command: string) => string {
  const swaps = new Map([
    ...[[shown.id, actual.id], [shown.port, actual.port]] as const,
    ...[[actual.id, shown.id], [actual.port, shown.port]] as const,
    [shown.processId, actual.processId] as const,
  ]);
  return (command) => command.replace(/\b(n[0-9]|[0-9]{4,})\b/g, (word) => swaps.get(word) ?? word);
}

function leaderIn(rows: readonly Row[]): Row {
  const leader = rows.find(({ role }) => role === "leader");
  assert(leader !== undefined, JSON.stringify(rows));
  return leader;
}

/** On a busy machine another leader may have been elected since the table was shown. */
function currentLeader(text: string): Row {
  const rows = rowsOf(text);
  const elected = [...text.matchAll(/^[0-9:]{8} {2}(n[0-9]) leads in term /gm)].at(-1)?.[1];
  return rows.find(({ id }) => id === elected) ?? leaderIn(rows);
}

function assertWorks({ code, stderr }: Typed, command: string): void {
  assertEquals(code, 0, `${command}\n${stderr}`);
}

/** @returns the terminal of the restarted node */
async function firstSession(typist: Typist, cluster: Terminal): Promise<Terminal> {
  const section = readmeSection("A first session");
  await cluster.line(/ status --nodes /);
  const typeAsShown = async ({ command, comment }: ReadmeCommand) => {
    const typed = await typist.type(command);
    assertWorks(typed, command);
    const [, quoted, word] = /^(?:"(.*?)"|(OK):)/.exec(comment) ?? [];
    if (quoted !== undefined || word !== undefined) {
      assertEquals(typed.stdout, `${quoted ?? word}\n`, command);
    }
  };
  for (const command of readmeCommands(section).slice(0, 2)) await typeAsShown(command);
  const leader = currentLeader(cluster.stdout);
  const translate = forLeader(leaderIn(rowsOf(section)), leader);
  const commands = readmeCommands(section)
    .map(({ command, comment }) => ({ command: translate(command), comment }));
  const verbs = commands.map(({ command }) =>
    /^(redis-cli|kill|npx .* task \w+)/.exec(command)?.[0]
  );
  const task = (name: string) => `npx -y deno@2.9.6 task ${name}`;
  assertEquals(verbs, [
    ...["redis-cli", "redis-cli", "kill", "redis-cli"],
    ...[task("node"), task("status"), task("log")],
  ]);
  for (const command of commands.slice(2, 4)) await typeAsShown(command);
  // The README has the lines that the first terminal shows.
  for (const line of section.match(/^[0-9:]{8} {2}.*$/gm) ?? []) {
    const pattern = translate(line).replace(/[().]/g, "\\$&").replace(/^[0-9:]{8}/, CLOCK)
      .replace(/^(\S+ {2})n[0-9] leads/, "$1n[0-9] leads").replace(
        /[0-9]+\\\.[0-9]+ s/,
        "[0-9.]+ s",
      ).replace(/ in term [0-9]+/, " in term [0-9]+"); // the first votes may be split
    await cluster.line(new RegExp(`^${pattern}$`));
  }
  const [node = "", status = "", log = ""] = commands.slice(4).map(({ command }) => command);
  // The command that the first terminal has shown, word by word.
  assertStringIncludes(cluster.stdout, `  ${node}    # brings it back\n`);
  const byHand = typist.open(node);
  await cluster.line(new RegExp(`^${CLOCK}  ${leader.id} answers, as `));
  await until("all three serve", async () => {
    const { code, stdout } = await typist.type(status);
    return code === 0 && stdout.match(/ yes /gm)?.length === 3;
  }, { describe: () => byHand.stderr });
  const text = await typist.type(log);
  assertWorks(text, log);
  assertStringIncludes(text.stdout, "again");
  return byHand;
}

async function withoutRedisCli(typist: Typist): Promise<void> {
  Deno.writeTextFileSync(`${typist.directory}/commands.txt`, "SET a 1\nGET a\n");
  Deno.writeTextFileSync(`${typist.directory}/millions.txt`, "SET b 2\n".repeat(1_000));
  const commands = readmeCommands(readmeSection("Without redis-cli"));
  const outputs = new Map<string, RegExp>([
    ["regent cli", /^$/],
    ["regent cli SET greeting 'hello world'", /^OK\n$/],
    ["regent cli < commands.txt", /^OK\n1\n$/],
    ["regent cli --pipe < millions.txt", /^errors: 0, replies: 1000\n$/],
  ]);
  assertEquals(commands.map(({ command }) => command), [...outputs.keys()]);
  for (const { command } of commands) {
    const typed = await typist.type(command);
    assertWorks(typed, command);
    assertMatch(typed.stdout, outputs.get(command) ?? /^$/, command);
  }
}

/** Ends with a cluster that is as open as before. */
async function usersAndRights(typist: Typist): Promise<void> {
  const outputs: readonly RegExp[] = [
    /^$/,
    /^root is added\nThe user default still needs no password\./,
    /^OK\n$/,
    /^$/,
    /^app is added\n$/,
    /^user +state +rules\napp +on +\(password\) ~app:\* resetchannels -@all \+@read \+@write\n/,
    /^OK\n$/,
  ];
  const commands = readmeCommands(readmeSection("Users and rights"));
  assertEquals(commands.length, outputs.length);
  for (const [at, { command }] of commands.entries()) {
    const typed = await typist.type(command);
    assertWorks(typed, command);
    assertMatch(typed.stdout, outputs[at] ?? /^$/, command);
  }
  const who = "--user root --password-file root.password";
  assertEquals((await typist.type("regent cli GET app:1")).code, 1);
  assertWorks(await typist.type(`regent cli ${who} ACL SETUSER default on nopass`), "open again");
}

/** The transcript, command by command, with the outputs that it shows. */
async function failOnPurpose(typist: Typist, cluster: Terminal): Promise<void> {
  const section = readmeSection("Make it fail on purpose");
  const transcript = [...section.matchAll(/^\$ (.*)\n((?:(?!\$ |```).*\n)*)/gm)]
    .map(([, command = "", output = ""]) => ({ command, output }));
  const shown = rowsOf(transcript.map(({ output }) => output).join("")).map(({ id }) => id);
  assertEquals(transcript.length, 6);
  assertEquals(shown, ["n1", "n2", "n3", "n1", "n2", "n3"]);
  const status = transcript[1]?.command ?? "";
  await until("all three are well", async () => {
    return (await typist.type(status)).stdout.match(/ yes /gm)?.length === 3;
  });
  // The transcript's leader is the one that is isolated.
  const port = / --port ([0-9]+) isolate/.exec(transcript[0]?.command ?? "")?.[1] ?? "";
  const victim = { id: `n${port.at(-1)}`, role: "leader", port, processId: "" };
  const leader = leaderIn(rowsOf((await typist.type(status)).stdout));
  const actual = { ...leader, port: `700${leader.id.at(-1)}`, processId: "" };
  const translate = forLeader(victim, actual);
  const said = async (command: string) => {
    const { stdout, stderr } = await typist.type(translate(command));
    return stdout + stderr.replace(/^Task .*\n/gm, "");
  };
  for (const { command, output } of transcript) {
    if (!command.endsWith("status")) {
      assertEquals((await said(command)).trim(), translate(output).trim(), command);
      continue;
    }
    // The elected node, the terms and the counts may differ; the shape and the faults may not.
    const shape = (table: string) => {
      const [heading = [], ...rows] = table.trim().split("\n").map((line) => line.split(/ {2,}/));
      const named = ["id", "address", "alive", "faults"].map((name) => heading.indexOf(name));
      const role = heading.indexOf("role");
      return [
        heading,
        ...rows.map((row) => [...named.map((at) => row[at]), row[role] === "candidate"]),
      ];
    };
    const byId = (rows: readonly (readonly unknown[])[]) =>
      rows.toSorted((a, b) => String(a[0]) < String(b[0]) ? -1 : 1);
    // An election may take long on a busy machine: a reader would run the command again.
    const wanted = JSON.stringify(byId(shape(translate(output))));
    let table = "";
    await until("the status is that of the README", async () => {
      table = await said(command);
      return JSON.stringify(byId(shape(table))) === wanted &&
        table.match(/ leader /g)?.length === 1;
    }, { describe: () => `${command}\n${table}not, as to ids, addresses and faults, \n${output}` });
  }
  await cluster.line(
    new RegExp(`^${CLOCK}  n[123] leads in term [0-9]+, [0-9.]+ s after ${leader.id}`),
  );
  await cluster.line(
    new RegExp(
      `^${CLOCK}  ${leader.id} no longer leads: it (knows no leader|is a candidate) in term \\d+$`,
    ),
  );
}

Deno.test("every command of the README exists, with its flags", async () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(new URL("../../deno.json", import.meta.url)));
  const used = new Map<string, Set<string>>();
  for (const { command } of readmeCommands()) {
    const task = /^npx -y deno@2\.9\.6 task (\S+)/.exec(command)?.[1];
    if (task !== undefined) assert(Object.hasOwn(tasks, task), command);
    const [, name, rest = ""] = /^(?:regent|npx -y deno@2\.9\.6 task) (\S+)(.*)$/.exec(command) ??
      [];
    if (name === undefined || name === "test") continue;
    const flags = used.get(name) ?? new Set<string>();
    for (const [, flag = ""] of rest.matchAll(/ --([a-z-]+)/g)) flags.add(flag);
    used.set(name, flags);
  }
  assert(used.size >= 10, [...used.keys()].join());
  for (const name of [...readmeSection(null).matchAll(/`task ([a-z:]+)/g)]) {
    assert(Object.hasOwn(tasks, name[1] ?? ""), name[0]);
  }
  await Promise.all([...used].map(async ([name, flags]) => {
    const { code, stdout } = await runRegent([name, "--help"]);
    assertEquals(code, 0, name);
    for (const flag of flags) assertMatch(stdout, new RegExp(`--${flag}\\b`), `${name} --${flag}`);
  }));
});

Deno.test("each task has a description, so that `deno task` reads as a menu", () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(new URL("../../deno.json", import.meta.url)));
  const entries = Object.entries<{ description?: string; command?: string }>(tasks);
  assert(entries.length >= 20, String(entries.length));
  for (const [name, { description = "", command = "" }] of entries) {
    assertMatch(description, /^[A-Z][^.]{10,70}$/, name);
    assertMatch(command, /^(DENO_JOBS=[0-9]+ )?deno /, name);
  }
});

Deno.test("tests/README.md says how each promise is proven", () => {
  const promised = readmeSection("What it promises").match(/^[0-9]+\. /gm)?.map(Number);
  const proven = Deno.readTextFileSync(new URL("../README.md", import.meta.url))
    .match(/^\| [0-9]+ /gm)?.map((row) => Number(row.slice(2)));
  assertEquals(proven, promised);
});
