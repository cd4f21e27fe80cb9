import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { seededRandom } from "../../../src/base/random.ts";
import { canMakeMachines, Machines } from "./machines.ts";
import { planNetworkFaults } from "./network_nemesis.ts";

const HERE = fileURLToPath(import.meta.url);
const PORT = 7000;

/** Runs on one machine and prints what it receives. */
const LISTENER = `
  const decoder = new TextDecoder();
  for await (const connection of Deno.listen({ hostname: "0.0.0.0", port: ${PORT} })) {
    (async () => {
      for await (const chunk of connection.readable) {
        await Deno.stdout.write(chunk);
        await connection.write(new TextEncoder().encode("heard " + decoder.decode(chunk)));
      }
    })().catch(() => {});
  }`;

/** Resolves to the promise's result, or to a word if it takes longer. */
function within(ms: number, promise: Promise<string>): Promise<string> {
  return Promise.race([
    promise.catch((error) => error.name as string),
    new Promise<string>((resolve) => setTimeout(() => resolve("nothing"), ms)),
  ]);
}

async function connected(host: string): Promise<Deno.TcpConn> {
  for (let left = 2_000;; left--) {
    try {
      return await Deno.connect({ hostname: host, port: PORT });
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function say(connection: Deno.TcpConn, text: string): Promise<string> {
  const answer = new Uint8Array(100);
  await connection.write(new TextEncoder().encode(text));
  const length = await connection.read(answer);
  return length === null ? "the end" : new TextDecoder().decode(answer.subarray(0, length));
}

/** What the clients' machine observes. Runs in a namespace of its own. */
async function cutAndHeal(): Promise<string[]> {
  const seen: string[] = [];
  const machines = await Machines.start("a", ["b"]);
  const b = machines.machine("b");
  const [command = "", ...args] = [...b.within, Deno.execPath(), "eval", LISTENER];
  const listener = new Deno.Command(command, { args, stdout: "null" }).spawn();
  const connection = await connected(b.host);
  const observer = await connected(b.observedHost);
  seen.push(await say(connection, "1"), await say(observer, "1"));
  const end = await machines.cut([["a", "b"]]);
  const late = say(connection, "2");
  seen.push(await within(500, late));
  seen.push(await within(500, connected(b.host).then(() => "connected")));
  seen.push(await within(20_000, say(observer, "2")));
  await end();
  seen.push(await within(20_000, late));
  const endBack = await machines.cut([["b", "a"]]);
  const lateBack = say(connection, "3");
  seen.push(await within(500, lateBack));
  await endBack();
  seen.push(await within(20_000, lateBack));
  const endBoth = await machines.cut([["a", "b"], ["b", "a"]]);
  await machines.powerOff("b");
  listener.kill("SIGKILL");
  await listener.status;
  const lost = say(connection, "4");
  seen.push(await within(500, lost));
  await machines.powerOn("b");
  await endBoth();
  seen.push(await within(20_000, lost));
  await machines.cut([["a", "b"]]);
  const endAgain = await machines.cut([["b", "a"]]);
  await machines.powerOff("b");
  await machines.healAll();
  const heard = new Deno.Command(command, {
    args: [...machines.machine("b").within.slice(1), Deno.execPath(), "eval", LISTENER],
    stdout: "null",
  }).spawn();
  const again = await connected(b.host);
  seen.push(await say(again, "5"));
  await endAgain(); // which has ended already
  heard.kill("SIGKILL");
  await heard.status;
  await machines.powerOff("b"); // and is stopped as that
  machines.stop();
  return seen;
}

Deno.test("a cut cable drops packets one way, and a machine without power sends no last packet", async () => {
  if (!await canMakeMachines()) return; // that needs Linux and root
  const args = ["--net", Deno.execPath(), "run", "--quiet", "--allow-all", HERE];
  const { stdout } = await new Deno.Command("unshare", { args }).output();
  assertEquals(JSON.parse(new TextDecoder().decode(stdout)), [
    ...["heard 1", "heard 1"],
    ...["nothing", "nothing", "heard 2", "heard 2"],
    ...["nothing", "heard 3"],
    ...["nothing", "ConnectionReset"],
    ...["heard 5"],
  ]);
});

Deno.test("each kind of fault occurs, as the seed decides", () => {
  const some = (seed: number) => {
    const plan = planNetworkFaults(seededRandom(seed));
    return Array.from({ length: 43 }, () => plan.next().value);
  };
  assertEquals(some(3), some(3));
  assertEquals(new Set(some(3).map((fault) => fault?.kind)).size, 20);
});

if (import.meta.main) {
  console.log(JSON.stringify(await cutAndHeal()));
  Deno.exit(0);
}
