import { assert, assertEquals } from "@std/assert";
import { latin1 } from "../../../src/base/bytes.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { BUILD_VERSIONS } from "../../../src/node/members/versions.ts";
import { CALM } from "../../support/calm.ts";
import { ask, type LocalCluster, type Member, roleOf } from "../../support/local_cluster.ts";
import { withRawConnection } from "../../support/raw_connection.ts";
import { replyText } from "../../support/reply_text.ts";
import { withCluster } from "../../support/with_cluster.ts";

Deno.test("hostile input on the ports for members", async (t) => {
  await withCluster(CALM, async (cluster) => {
    const leader = await cluster.leader();
    const [follower] = await cluster.followers();
    assert(follower !== undefined);
    const { term } = await roleOf(leader) ?? {};
    for (const member of [leader, follower]) {
      for (const [what, bytes] of hostileFirstFrames(cluster, member)) {
        await t.step(`${member.name}: ${what}`, () => isClosed(member, bytes));
      }
      await t.step(`${member.name}: half a frame, and a client that goes away`, async () => {
        await withRawConnection(raftPort(member), (connection) => connection.send("\0\0\0\x64{"));
      });
    }
    await t.step("all of it changed nothing", () => isUnharmed(cluster, leader, term));
    await t.step("each reason is logged once", () => logsOnce(cluster, leader));
  });
});

function raftPort({ args }: Member): number {
  return Number(args[args.indexOf("--raft-port") + 1]);
}

function frame(payload: string): string {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, payload.length);
  return latin1(length, 0, 4) + payload;
}

/** Beginnings of connections that are not a member's hello. */
function hostileFirstFrames(
  cluster: LocalCluster,
  member: Member,
): [what: string, bytes: string][] {
  const { clusterId } = JSON.parse(Deno.readTextFileSync(`${member.dir}/identity.json`));
  const { name: other, port, dir } = cluster.nodes.find((node) => node !== member) ?? member;
  const { incarnation } = JSON.parse(Deno.readTextFileSync(`${dir}/identity.json`));
  const to = member.name;
  const host = "127.0.0.1";
  const raft = {
    ...{ raftHost: host, raftPort: 1, configuration: 0 },
    ...{ incarnation, life: "l", founders: {}, isFounded: true },
  };
  const hello = {
    ...BUILD_VERSIONS,
    cluster: clusterId,
    from: other,
    to,
    host,
    port,
    ...raft,
  };
  const helloWith = (fields: object) => frame(JSON.stringify({ ...hello, ...fields }));
  const random = seededRandom(11);
  const garbage = Array.from({ length: 5_000 }, () => String.fromCharCode(random() * 256)).join("");
  return [
    ["garbage", `\xff${garbage}`],
    ["HTTP", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    ["RESP", "*1\r\n$4\r\nPING\r\n"],
    ["the largest length", "\xff\xff\xff\xff"],
    ["an empty frame", frame("")],
    ["no JSON", frame("{".repeat(50))],
    ["no object", frame("[1]")],
    ["deep nesting", frame("[".repeat(10_000) + "]".repeat(10_000))],
    ["no UTF-8", frame('{"cluster":"\xff\xfe"}')],
    ["a hello of another version", helloWith({ protocol: { oldest: 98, newest: 99 } })],
    ["a hello without versions", helloWith({ protocol: undefined })],
    ["a hello of another cluster", helloWith({ cluster: "0".repeat(32) })],
    ["a hello of a stranger", helloWith({ from: "n9" })],
    ["a hello for somebody else", helloWith({ to: other })],
    ["a hello with a wrong field", helloWith({ port: `${port}` })],
    ["a message of an unknown type", helloWith({}) + frame('{"type":"shutdown","term":1}')],
    ["a message with a wrong field", helloWith({}) + frame('{"type":"vote","term":-1}')],
    ["a message by way of __proto__", helloWith({}) + frame('{"__proto__":{"type":"vote"}}')],
    ["a frame over the limit", helloWith({}) + "\xff\xff\xff\xff"],
  ];
}

/** The node closes the connection, and sends only its hello and keepalives. */
async function isClosed(member: Member, bytes: string): Promise<void> {
  const answer = await withRawConnection(raftPort(member), async (connection) => {
    await connection.send(bytes);
    return await connection.readToEnd();
  });
  const welcome = frame(
    JSON.stringify({ type: "welcome", protocol: BUILD_VERSIONS.protocol.newest }),
  );
  const said = answer.replace(welcome, "").replace(frame('{"type":"alive"}'), "");
  assertEquals(said, "");
  assertEquals(member.process.isRunning, true);
}

async function isUnharmed(
  cluster: LocalCluster,
  leader: Member,
  term: number | undefined,
): Promise<void> {
  for (const node of cluster.nodes) {
    const role = await roleOf(node);
    assertEquals([role?.term, role?.leaderId], [term, leader.name]);
  }
  assertEquals(replyText(await ask(cluster.proxy, ["SET", "after", "all"])), "OK");
}

/** A refused peer may come again and again: the log must not grow by it. */
async function logsOnce(cluster: LocalCluster, leader: Member): Promise<void> {
  const reason = "is not a member of the cluster";
  const count = () => leader.process.said.split(reason).length - 1;
  assertEquals(count(), 1, leader.process.said);
  const frames = hostileFirstFrames(cluster, leader).find(([what]) =>
    what === "a hello of a stranger"
  );
  for (let i = 0; i < 5; i++) await isClosed(leader, frames?.[1] ?? "");
  assertEquals(count(), 1, leader.process.said);
}
