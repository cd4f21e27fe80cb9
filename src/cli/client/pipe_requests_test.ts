import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { latin1, latin1Bytes } from "../../base/bytes.ts";
import { pipeRequests, type PipeResult } from "./pipe_requests.ts";

const NET: Deno.PermissionOptions = { net: true };

async function* input(...chunks: string[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield latin1Bytes(chunk);
}

/** Pipes an input to a server of one connection. */
async function pipeTo(
  serve: (connection: Deno.TcpConn) => Promise<void>,
  requests: AsyncIterable<Uint8Array>,
  timeoutMs = 0,
): Promise<PipeResult & { shown: string[] }> {
  const server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = server.accept().then(async (connection) => {
    await serve(connection);
    connection.close();
  });
  const { port } = server.addr as Deno.NetAddr;
  const shown: string[] = [];
  const address = { host: "127.0.0.1", port };
  const onError = (text: string) => shown.push(text);
  const result = await pipeRequests(requests, address, { timeoutMs, onError });
  await serving;
  server.close();
  return { ...result, shown };
}

async function readUntil(connection: Deno.TcpConn, pattern: RegExp): Promise<string> {
  const buffer = new Uint8Array(64 * 1024);
  let text = "";
  while (!pattern.test(text)) {
    const count = await connection.read(buffer);
    if (count === null) break;
    text += latin1(buffer, 0, count);
  }
  return text;
}

const LAST = /ECHO\r\n(\$36\r\n.{36}\r\n)$/;
const answer = (connection: Deno.TcpConn, text: string) =>
  connection.write(latin1Bytes(text)).then(() => {});

Deno.test("the input is sent unchanged, and replies and errors are counted", {
  permissions: NET,
}, async () => {
  let received = "";
  const { shown, ...result } = await pipeTo(async (connection) => {
    received = await readUntil(connection, LAST);
    const last = LAST.exec(received)?.[1] ?? "";
    await answer(
      connection,
      ">1\r\n+push\r\n+OK\r\n-ERR a\r\n*2\r\n:1\r\n-no\r\n!5\r\nERR b\r\n" + last,
    );
  }, input("set a 1\r\n*2\r", "\n$3\r\nget\r\n$1\r\na\r\n", "get b"));
  assertEquals(result, { errors: 2, replies: 4, failure: null });
  assertEquals(shown, ["ERR a", "ERR b"]);
  const [sent] = received.split("\r\n*2\r\n$4\r\nECHO");
  assertEquals(sent, "set a 1\r\n*2\r\n$3\r\nget\r\n$1\r\na\r\nget b");
});

Deno.test("a server that dies, sends nonsense or falls silent ends it with a reason", {
  permissions: NET,
}, async () => {
  const after = (text: string) => async (connection: Deno.TcpConn) => {
    await readUntil(connection, LAST);
    await answer(connection, text);
  };
  const dead = await pipeTo(after("+OK\r\n"), input("set a 1\n"));
  assertEquals([dead.replies, dead.failure], [1, "the connection was closed"]);
  const nonsense = await pipeTo(after("+OK\r\nHTTP/1.1 400\r\n"), input("set a 1\n"));
  assertEquals(nonsense.replies, 1);
  assertStringIncludes(nonsense.failure ?? "", "not in the Redis protocol");
  const silent = await pipeTo(
    async (connection) => {
      await readUntil(connection, /never/);
    },
    input("*1\r\n$900\r\nabc"),
    50,
  );
  assertStringIncludes(silent.failure ?? "", "no answer for 0.05 s");
});

Deno.test("the input is read no faster than the server reads it", {
  permissions: NET,
}, async () => {
  const mib = 2 ** 20;
  const chunk = new Uint8Array(64 * 1024).fill(0x78);
  let takenBytes = 0;
  async function* input(): AsyncGenerator<Uint8Array> {
    while (takenBytes < 512 * mib) {
      takenBytes += chunk.length;
      yield chunk;
    }
  }
  let aheadBytesMax = 0;
  const { failure } = await pipeTo(async (connection) => {
    const buffer = new Uint8Array(64 * 1024);
    for (let readBytes = 0; readBytes < 64 * mib;) {
      readBytes += await connection.read(buffer) ?? Infinity;
      aheadBytesMax = Math.max(aheadBytesMax, takenBytes - readBytes);
    }
    connection.closeWrite();
  }, input());
  assert(failure !== null);
  // What the kernel's socket buffers hold, and some more.
  assert(aheadBytesMax < 32 * mib, `${aheadBytesMax} bytes were taken and not read`);
});

Deno.test("a missing server is reported at once", { permissions: NET }, async () => {
  const server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = server.addr as Deno.NetAddr;
  server.close();
  const options = { timeoutMs: 0, onError: () => {} };
  const result = await pipeRequests(input("ping\n"), { host: "127.0.0.1", port }, options);
  assertEquals(result, { errors: 0, replies: 0, failure: "connection refused" });
});
