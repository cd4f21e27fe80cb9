import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { FilesNode, startProxy } from "../../tests/support/files/files_node.ts";
import { FilesWorld } from "../../tests/support/files/files_world.ts";
import { Holders } from "../../tests/support/files/holders.ts";
import { SimBody } from "../../tests/support/files/sim_body.ts";
import { until } from "../../tests/support/until.ts";
import { mp3 } from "../../tests/support/web/mp3.ts";
import { silentLogger } from "../base/logger.ts";
import { systemClock } from "../platform/clock.ts";
import { FileError } from "./file_error.ts";
import { Files } from "./files.ts";

const CONTENT = Uint8Array.from({ length: 3_000 }, (_, at) => (at * 7) % 251);

/** Whole nodes, of which the first one leads. */
async function cluster(count: number): Promise<FilesWorld> {
  const world = new FilesWorld(1);
  for (let at = 1; at <= count; at++) new FilesNode(world, at).start();
  world.leader = "n1";
  await world.run(2_000);
  return world;
}

async function resultIn<T>(world: FilesWorld, promise: Promise<T>): Promise<T> {
  let isSettled = false;
  promise.then(() => isSettled = true, () => isSettled = true);
  await world.run(world.scheduler.nowMs + 100_000, () => isSettled);
  return await promise;
}

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const bytes: number[] = [];
  for await (const chunk of chunks) bytes.push(...chunk);
  return Uint8Array.from(bytes);
}

Deno.test("what goes in through a proxy comes out of every node", async () => {
  const world = await cluster(4);
  const proxy = startProxy(world);
  const options = { size: null, type: "text/plain" };
  const body = new SimBody(world, CONTENT);
  const record = await resultIn(world, proxy.put("a song", body, options));
  assertEquals(record.holders.length, 3);
  for (const { files } of world.nodes.values()) {
    if (files === null) throw new Error("A node is down");
    const found = await resultIn(world, files.stat("a song"));
    assertEquals(found, record);
    assertEquals(
      await resultIn(world, readAll(files.read(record, 10, 2_990))),
      CONTENT.slice(10, 2_990),
    );
    const { files: listed } = await resultIn(world, files.list({ prefix: "a" }));
    assertEquals(listed, [record]);
  }
  assertEquals((await resultIn(world, proxy.where("a song")))?.health, "healthy");
  assertEquals((await resultIn(world, proxy.nodes())).nodes.length, 4);
  assertEquals(await resultIn(world, proxy.delete("a song", { ifVersion: 1 })), true);
  assertEquals(await resultIn(world, proxy.stat("a song")), null);
  assertEquals((await resultIn(world, proxy.repair())).dead, 1);
  await world.run(60_000);
  assertEquals((await resultIn(world, proxy.repair())).dead, 0);
});

Deno.test("a proxy has nothing to repair", async () => {
  const world = await cluster(1);
  const proxy = startProxy(world);
  proxy.start();
  assertEquals([proxy.healing, proxy.transfers], [null, { uploads: 0, reads: 0 }]);
  await resultIn(world, proxy.stop());
});

Deno.test("blob ids are random by default", async () => {
  const holders = new Holders(3);
  const ids: string[] = [];
  const push = holders.push.bind(holders);
  holders.push = (address, id, size) => {
    ids.push(id);
    return push(address, id, size);
  };
  const files = new Files({
    send: (args) => Promise.resolve(holders.world.execute(args)),
    peers: holders,
    clock: holders.clock,
    logger: silentLogger,
    storage: null,
  });
  for (const name of ["a", "b"]) {
    await holders.result(
      files.put(name, new SimBody(holders.world, CONTENT), { size: 3_000, type: "" }),
    );
  }
  assertEquals(new Set(ids).size, 2);
  for (const id of ids) assertMatch(id, /^[0-9a-f]{32}$/);
});

Deno.test("invalid names are refused everywhere", async () => {
  const world = new FilesWorld(1);
  const proxy = startProxy(world);
  const body = new SimBody(world, CONTENT);
  for (const name of ["", "a\nb", "\ud800", "é".repeat(513)]) {
    const attempts = [
      proxy.stat(name),
      proxy.where(name),
      proxy.delete(name, {}),
      proxy.put(name, body, { size: 1, type: "" }),
    ];
    for (const attempt of attempts) {
      const error = await assertRejects(() => attempt);
      assertEquals((error as FileError).code, "bad-request");
    }
  }
});

Deno.test("a holder that dies while others are served is replaced after the grace time", async () => {
  const world = await cluster(4);
  const proxy = startProxy(world);
  const put = proxy.put("a", new SimBody(world, CONTENT), { size: 3_000, type: "" });
  const record = await resultIn(world, put);
  const victim = record.holders.find((id) => id !== "n1") ?? "";
  world.nodes.get(victim)?.kill();
  await world.run(world.scheduler.nowMs + 30_000);
  const place = await resultIn(world, proxy.where("a"));
  assertEquals([place?.health, place?.wanted.includes(victim)], ["healthy", false]);
  world.nodes.get(victim)?.start();
  await world.run(world.scheduler.nowMs + 30_000);
  assertEquals((await resultIn(world, proxy.where("a")))?.health, "healthy");
  assertEquals((await resultIn(world, proxy.repair())).surplus, 0);
});

Deno.test("the tags that a content has are found in its beginning, and given ones win", async () => {
  const world = await cluster(3);
  const proxy = startProxy(world);
  const seen: unknown[] = [];
  const tagger = {
    headBytes: 1_000,
    tagsOf(head: Uint8Array, size: number) {
      seen.push([...head], size);
      return Promise.resolve({ title: "found", year: 1999 });
    },
  };
  const options = { size: null, type: "", tags: { title: "given" }, tagger };
  const put = proxy.put("a", new SimBody(world, CONTENT), options);
  const record = await resultIn(world, put);
  assertEquals(seen, [[...CONTENT.slice(0, 1_000)], 3_000]);
  assertEquals(record.tags, { title: "given", year: 1999 });
  assertEquals((await resultIn(world, proxy.stat("a")))?.tags, record.tags);
});

Deno.test("a song has its cover when there is no place for another upload", async () => {
  const holders = new Holders(3);
  const files = new Files({
    send: (args) => Promise.resolve(holders.world.execute(args)),
    peers: holders,
    clock: systemClock, // tags are read in real time
    logger: silentLogger,
    storage: null,
    uploadLimits: { uploadsMax: 1, turnMs: 1 },
  });
  const song = mp3({ cover: { type: "image/png", bytes: Uint8Array.from([1, 2, 3]) } });
  const options = { size: song.length, type: "audio/mpeg" };
  const names: unknown[] = [];
  files.put("a song", new SimBody(holders.world, song), options).then(
    ({ name, tags }) => names.push(name, `.covers/${tags.cover}`),
    (error) => names.push(error),
  );
  await until("it is stored", async () => {
    await holders.runFor(1);
    return names.length > 0;
  });
  assertEquals(names, (await files.list({ reverse: true })).files.map(({ name }) => name));
  await files.stop();
});

Deno.test("one read too many is refused, and the next one is not", async () => {
  const holders = new Holders(3);
  const files = new Files({
    send: (args) => Promise.resolve(holders.world.execute(args)),
    peers: holders,
    clock: holders.clock,
    logger: silentLogger,
    storage: null,
    readsMax: 1,
  });
  const body = new SimBody(holders.world, CONTENT);
  const record = await holders.result(files.put("a", body, { size: 3_000, type: "" }));
  const first = files.read(record, 0, 3_000)[Symbol.asyncIterator]();
  await holders.result(first.next());
  assertEquals(await holders.failure(readAll(files.read(record, 0, 1))), "busy");
  await holders.result(first.return?.() ?? Promise.resolve());
  assertEquals((await holders.result(readAll(files.read(record, 0, 1)))).length, 1);
});

Deno.test("what each node does to repair is known everywhere, but of silent nodes", async () => {
  const world = await cluster(3);
  const asked: string[] = [];
  const proxy = new Files({
    send: (args) => Promise.resolve(world.execute(args)) as never,
    peers: new Holders(0),
    clock: systemClock,
    logger: silentLogger,
    storage: null,
    progressAt(address) {
      asked.push(address);
      const node = [...world.nodes.values()].find((one) => one.address === address);
      return node?.id === "n2" ? Promise.reject(new Error("silent")) : Promise.resolve(
        node?.files?.healing,
      );
    },
  });
  const put = startProxy(world).put("a", new SimBody(world, CONTENT), { size: null, type: "" });
  await resultIn(world, put);
  world.nodes.get("n3")?.kill();
  world.execute(["FILE", "OUT", "n3"]);
  await world.run(world.scheduler.nowMs + 20_000);
  const progress = await proxy.progress();
  assertEquals(progress.map(({ node }) => node), ["n1"]);
  assertEquals(asked.length, 2); // nobody asks one that is out
  assertEquals(progress[0]?.scrub.total, 1);
  const own = world.nodes.get("n1")?.files;
  assertEquals((await resultIn(world, own?.progress() ?? Promise.reject())).length, 1);
});

Deno.test("a node that has just come has an address, and an unknown one is not found", async () => {
  const world = await cluster(1);
  const proxy = startProxy(world);
  const error = await assertRejects(() => resultIn(world, proxy.addressOf("n2")), FileError);
  assertEquals(error.code, "not-found");
  new FilesNode(world, 2).start();
  await world.run(world.scheduler.nowMs + 500); // the layout that the proxy has is older
  assertMatch(await resultIn(world, proxy.addressOf("n2")), /./);
});
