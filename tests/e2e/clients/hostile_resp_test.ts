import { assert, assertEquals, assertLess } from "@std/assert";
import { seededRandom } from "../../../src/base/random.ts";
import { CALM } from "../../support/calm.ts";
import { ask, type Member } from "../../support/local_cluster.ts";
import { RawConnection, withRawConnection } from "../../support/raw_connection.ts";
import { replyText } from "../../support/reply_text.ts";
import { until } from "../../support/until.ts";
import { withCluster } from "../../support/with_cluster.ts";

const MIB = 1024 * 1024;
const VALUE_BYTES = 64 * 1024;
/** Less than the slow reader requests at once. */
const OUTPUT_LIMIT = ["--output-bytes-max", "32m"];

Deno.test("hostile input on the ports for clients", async (t) => {
  const nodeFlags = [...CALM.nodeFlags, ...OUTPUT_LIMIT];
  const proxyFlags = [...CALM.proxyFlags, ...OUTPUT_LIMIT];
  await withCluster({ ...CALM, nodeFlags, proxyFlags }, async (cluster) => {
    const leader = await cluster.leader();
    await ask(leader, ["SET", "large", "x".repeat(VALUE_BYTES)]);
    for (const member of [leader, cluster.proxy]) {
      const step = (what: string, run: (member: Member) => Promise<void>) =>
        t.step(`${member.name}: ${what}`, async () => {
          const [before, { processId }] = [await rssMib(member), member.process];
          await run(member);
          await serves(member);
          assertEquals([member.process.isRunning, member.process.processId], [true, processId]);
          assertLess(await rssMib(member) - before, 300, "MiB of growth");
        });
      await step("what breaks the protocol is answered and cut off", brokenProtocol);
      await step("HTTP is cut off", http);
      await step("garbage", garbage);
      await step("half requests of clients that go away", halfRequests);
      await step("announced sizes take no memory", announcedSizes);
      await step("10000 requests at once, of a client that never reads", neverReads);
      await step("a slow reader gets everything, in order", slowReader);
      await step("a WAIT without end ends with its client", waitersGone);
      await step("a client that has closed its side gets large replies, slowly", halfClosedSlow);
      await step("a client that has closed its side and reads nothing goes", halfClosedNever);
    }
  });
});

/** Other clients are answered meanwhile, within the timeout of `ask`. */
async function serves(member: Member): Promise<void> {
  const reply = await ask(member, ["SET", "others", "served"]);
  assert(reply !== null, "no answer for others");
  assertEquals(replyText(reply), "OK");
}

async function rssMib(member: Member): Promise<number> {
  const info = await ask(member, ["INFO", "memory"]);
  const text = info !== null && typeof info === "object" && "text" in info ? info.text : info;
  return Number(/used_memory_rss:([0-9]+)/.exec(String(text))?.[1]) / MIB;
}

async function brokenProtocol({ port }: Member): Promise<void> {
  const cases: [sent: string, answer: string][] = [
    ["*-1\r\n*0\r\n\r\nPING\r\n*x\r\n", "+PONG\r\n-ERR Protocol error: invalid multibulk length"],
    ["*99999999999999999999\r\n", "-ERR Protocol error: invalid multibulk length"],
    ["*-99999999999999999999\r\n", "-ERR Protocol error: invalid multibulk length"],
    ["*2147483648\r\n", "-ERR Protocol error: invalid multibulk length"],
    ["*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length"],
    ["*1\r\n$99999999999999\r\n", "-ERR Protocol error: invalid bulk length"],
    ["*1\r\n$4294967297\r\n", "-ERR Protocol error: invalid bulk length"],
    ["*1\r\n$4x\r\nPING\r\n", "-ERR Protocol error: invalid bulk length"],
    ["*1\r\n$4\r\nPINGING\r\n", "-ERR Protocol error: invalid bulk length"],
    ["*1\r\n".repeat(1000), "-ERR Protocol error: expected '$', got '*'"],
    ["*1\r\n:1\r\n", "-ERR Protocol error: expected '$', got ':'"],
    ['GET "a\r\n', "-ERR Protocol error: unbalanced quotes in request"],
    ["a".repeat(70_000), "-ERR Protocol error: too big inline request"],
    [`*${"1".repeat(70_000)}`, "-ERR Protocol error: too big mbulk count string"],
    [`*1\r\n$${"1".repeat(70_000)}`, "-ERR Protocol error: too big bulk count string"],
  ];
  for (const [sent, answer] of cases) {
    const got = await withRawConnection(port, async (connection) => {
      await connection.send(sent);
      return await connection.readToEnd();
    });
    assert(got.startsWith(answer) && got.endsWith("\r\n"), `${sent.slice(0, 40)}: ${got}`);
  }
}

async function http({ port }: Member): Promise<void> {
  for (const method of ["GET", "POST", "PUT"]) {
    const got = await withRawConnection(port, async (connection) => {
      const body = "SET http was-here\r\n";
      await connection.send(`${method} / HTTP/1.1\r\nHost: localhost:7000\r\n\r\n${body}`);
      return await connection.readToEnd();
    });
    assert(got === "" || got.startsWith("-ERR "), got);
  }
  assertEquals(await ask({ port }, ["EXISTS", "http"]), 0);
}

async function garbage({ port }: Member): Promise<void> {
  const random = seededRandom(7);
  const starts = [
    "",
    "*3\r\n",
    "*1\r\n$5\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "*1\r\n$0\r\n\r\n",
  ];
  await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      withRawConnection(port, async (connection) => {
        const bytes = Uint8Array.from({ length: 4_000 }, () => Math.floor(random() * 256));
        await connection.send(starts[i % starts.length] ?? "");
        const drained = connection.readToEnd().catch(() => {});
        await connection.send(bytes);
        await connection.send(bytes);
        connection.close();
        await drained;
      })),
  );
}

async function halfRequests({ port }: Member): Promise<void> {
  const whole = "*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$100\r\n";
  await Promise.all(
    Array.from(
      { length: whole.length },
      (_, length) =>
        withRawConnection(port, async (connection) => {
          await connection.send(`*1\r\n$4\r\nPING\r\n${whole.slice(0, length)}`);
          assertEquals(await connection.read(7), "+PONG\r\n");
        }),
    ),
  );
  await withRawConnection(port, (connection) => connection.send(`${whole}${"x".repeat(99)}`));
  assertEquals(await ask({ port }, ["EXISTS", "half"]), 0);
}

async function announcedSizes(member: Member): Promise<void> {
  const open: RawConnection[] = [];
  const announce = async (connection: RawConnection): Promise<void> => {
    open.push(connection);
    await connection.send("*131072\r\n$3\r\nSET\r\n$16777216\r\nx");
    if (open.length < 60) return await withRawConnection(member.port, announce);
    await serves(member);
  };
  await withRawConnection(member.port, announce);
}

async function neverReads(member: Member): Promise<void> {
  await withRawConnection(member.port, async (connection) => {
    assert(await connection.send("*2\r\n$3\r\nGET\r\n$5\r\nlarge\r\n".repeat(10_000)));
    let last = -Infinity;
    await until("it is read no further", async () => {
      const before = last;
      last = await processed(member);
      return last - before <= 2;
    });
    for (let i = 0; i < 10; i++) await serves(member);
  });
}

async function processed(member: Member): Promise<number> {
  const info = await ask(member, ["INFO", "stats"]);
  return Number(/total_commands_processed:([0-9]+)/.exec(JSON.stringify(info))?.[1]);
}

async function slowReader(member: Member): Promise<void> {
  await withRawConnection(member.port, async (connection) => {
    const count = 1_500;
    const requests = Array.from({ length: count }, (_, i) => `GET large\r\nECHO ${i}\r\n`);
    await connection.send(requests.join(""));
    const large = `$${VALUE_BYTES}\r\n${"x".repeat(VALUE_BYTES)}\r\n`;
    const others: Promise<void>[] = []; // asked meanwhile: a client that reads nothing for 5 s is disconnected
    let text = "";
    for (let i = 0; i < count; i++) {
      const expected = `${large}$${String(i).length}\r\n${i}\r\n`;
      while (text.length < expected.length) {
        const more = await connection.read(1);
        assert(more !== "", `cut off at reply ${i}`);
        text += more;
      }
      assert(text.startsWith(expected), `reply ${i} is another`);
      text = text.slice(expected.length);
      if (i % 500 === 0) others.push(serves(member));
    }
    await Promise.all(others);
  });
}

/** Number of clients whose last command was this one. */
async function clientsWith(member: Member, command: string): Promise<number> {
  const list = await ask(member, ["CLIENT", "LIST"]);
  return String(list).split(` cmd=${command} `).length - 1;
}

async function waitersGone(member: Member): Promise<void> {
  const open = await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      const connection = await RawConnection.open(member.port);
      // Half of them send so much after it that they are no longer read.
      await connection.send("WAIT 99 0\r\n" + "WAIT 99 0\r\n".repeat(i % 2 === 0 ? 0 : 20));
      return connection;
    }),
  );
  await until("all of them wait", async () => await clientsWith(member, "wait") === 50);
  for (const connection of open) connection.close();
  await until("all of them are gone", async () => await clientsWith(member, "wait") === 0);
}

async function halfClosedSlow(member: Member): Promise<void> {
  await withRawConnection(member.port, async (connection) => {
    const count = 64;
    await connection.send("GET large\r\n".repeat(count));
    await connection.end();
    const expected = count * (VALUE_BYTES + `$${VALUE_BYTES}\r\n\r\n`.length);
    const others: Promise<void>[] = [];
    let bytes = 0;
    for (let reads = 0; bytes < expected; reads++) {
      const text = await connection.read(1);
      assert(text !== "", `cut off after ${bytes} of ${expected} bytes`);
      bytes += text.length;
      if (reads % 20 === 0) others.push(serves(member));
    }
    await Promise.all(others);
    assertEquals([bytes, await connection.readToEnd()], [expected, ""]);
  });
}

async function halfClosedNever(member: Member): Promise<void> {
  await withRawConnection(member.port, async (connection) => {
    await connection.send("CLIENT SETNAME never-reads\r\n" + "GET large\r\n".repeat(400));
    await connection.end();
    const isThere = async () =>
      String(await ask(member, ["CLIENT", "LIST"])).includes("name=never-reads ");
    await until("it is cut off", async () => !(await isThere()));
  });
}
