import { assert, assertEquals, assertMatch } from "@std/assert";
import { FewDescriptors } from "../../support/few_descriptors.ts";
import { freePorts } from "../../support/free_ports.ts";
import { ask } from "../../support/local_cluster.ts";
import { RawConnection } from "../../support/raw_connection.ts";
import { RegentProcess } from "../../support/regent_process.ts";
import { until } from "../../support/until.ts";

const LIMIT = 96;
const ROUNDS = 2;
/**
 * A refused connection keeps its descriptor for a moment. This process needs as many, and some
 * more.
 */
const AT_ONCE = Math.min(6 * LIMIT, ownLimit() - LIMIT);
const isTooFew = AT_ONCE < 2 * LIMIT;

/** An invalid frame: a node that reads it closes the connection. */
const NO_FRAME = "\xff\xff\xff\xff";

/** Timeout for a node that reads input, on a busy machine. */
const READ_MS_MAX = 10_000;

/** Limit of open files of this process. */
function ownLimit(): number {
  const { stdout } = new Deno.Command("bash", { args: ["-c", "ulimit -n"] }).outputSync();
  return Number(new TextDecoder().decode(stdout)) || Infinity; // or "unlimited"
}

function outOfDescriptors(name: string, fn: () => Promise<void>): void {
  const why = isTooFew ? " (this process itself may have too few)" : "";
  Deno.test({ name: `${name}${why}`, ignore: isTooFew, fn });
}

async function withDirectory(test: (dir: string) => Promise<void>): Promise<void> {
  const dir = Deno.makeTempDirSync();
  try {
    await test(dir);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

function nodeArgs(port: number, raftPort: number, dir: string): string[] {
  const ports = ["--port", String(port), "--raft-port", String(raftPort)];
  return ["node", "--id", "n1", ...ports, "--dir", `${dir}/n1`, "--role", "leader"];
}

/** Opens more connections than the limit at once, and closes all of them. */
async function exhaust(port: number): Promise<void> {
  const opening = Array.from({ length: AT_ONCE }, () => openUnlessRefused(port));
  for (const one of await Promise.all(opening)) one?.close();
}

/** Opens more connections than the limit, and keeps them until the node notices. */
async function exhaustUntil(ports: readonly number[], isNoticed: () => boolean): Promise<void> {
  const idle: (RawConnection | null)[] = [];
  try {
    await until("it is out of descriptors", async () => {
      for (const port of ports) {
        for (let i = 0; i < LIMIT / 2; i++) idle.push(await openUnlessRefused(port));
      }
      return isNoticed();
    });
  } finally {
    for (const one of idle) one?.close();
  }
}

/** @returns `null` while nobody listens there: the port may be opened again later */
async function openUnlessRefused(port: number): Promise<RawConnection | null> {
  try {
    return await RawConnection.open(port);
  } catch (error) {
    const { ConnectionRefused, ConnectionReset } = Deno.errors;
    if (error instanceof ConnectionRefused || error instanceof ConnectionReset) return null;
    throw error;
  }
}

outOfDescriptors(
  "a node that runs out of file descriptors accepts again when some are free",
  async () => {
    await withDirectory(async (dir) => {
      const [port = 0, raftPort = 0] = freePorts(2);
      const node = new FewDescriptors(LIMIT, nodeArgs(port, raftPort, dir));
      try {
        const serves = async () => await ask({ port }, ["PING"]) !== null;
        await until("it serves", serves, { describe: () => node.said });
        assertMatch(node.said, /accepts at most \d+ clients instead of 10000 \(--clients-max\)/);
        for (let round = 0; round < ROUNDS; round++) {
          await exhaust(port);
          await until("it accepts again", serves, { describe: () => node.said });
        }
        assert(!node.said.includes("error"), node.said);
        assertEquals(node.said.includes("Cannot"), false);
      } finally {
        await node.kill();
      }
    });
  },
);

outOfDescriptors(
  "a proxy that runs out of file descriptors serves again when some are free",
  async () => {
    await withDirectory(async (dir) => {
      const [port = 0, raftPort = 0, proxyPort = 0] = freePorts(3);
      const node = new RegentProcess(nodeArgs(port, raftPort, dir));
      const proxy = new FewDescriptors(
        LIMIT,
        ["proxy", "--port", String(proxyPort), "--nodes", `127.0.0.1:${port}`],
      );
      try {
        const serves = async () => await ask({ port: proxyPort }, ["INCR", "k"]) !== null;
        await until("it serves", serves, { describe: () => proxy.said });
        assertMatch(proxy.said, /accepts at most \d+ clients instead of 10000 \(--clients-max\)/);
        for (let round = 0; round < ROUNDS; round++) {
          await exhaust(proxyPort);
          await until("it serves again", serves, { describe: () => proxy.said });
        }
        assert(!proxy.said.includes("error"), proxy.said);
        assertEquals(proxy.said.includes("Cannot"), false);
      } finally {
        await proxy.kill();
        await node.signal("SIGKILL");
      }
    });
  },
);

outOfDescriptors(
  "the Raft port accepts again after a want of file descriptors, however short",
  async () => {
    await withDirectory(async (dir) => {
      const [port = 0, raftPort = 0] = freePorts(2);
      const node = new FewDescriptors(LIMIT, nodeArgs(port, raftPort, dir));
      try {
        const serves = async () => await ask({ port }, ["PING"]) !== null;
        await until("it serves", serves, { describe: () => node.said });
        await until("its Raft port reads", () => reads(raftPort), { describe: () => node.said });
        for (let round = 0; round < ROUNDS; round++) {
          await exhaust(raftPort);
          await until("it reads again", () => reads(raftPort), { describe: () => node.said });
        }
        const times = node.said.split("out of file descriptors").length;
        const isNoticed = () => node.said.split("out of file descriptors").length > times;
        await exhaustUntil([port, raftPort], isNoticed);
        await until("it reads again", () => reads(raftPort), { describe: () => node.said });
        await until("and it serves", serves, { describe: () => node.said });
      } finally {
        await node.kill();
      }
    });
  },
);

/** Whether a process reads from this port, and not the kernel alone. */
async function reads(raftPort: number): Promise<boolean> {
  const connection = await openUnlessRefused(raftPort);
  if (connection === null) return false;
  try {
    await connection.send(NO_FRAME);
    const { promise: late, resolve } = Promise.withResolvers<null>();
    const timer = setTimeout(() => resolve(null), READ_MS_MAX);
    const end = await Promise.race([connection.readToEnd().catch(() => null), late]);
    clearTimeout(timer);
    return end !== null;
  } finally {
    connection.close();
  }
}
