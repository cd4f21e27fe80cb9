import { assertEquals } from "@std/assert";
import { lookup } from "../commands/table.ts";
import { OK, type Reply } from "../resp/reply.ts";
import { Gathering } from "./gathering.ts";
import { type OpenBatch, Proposals } from "./proposals.ts";
import { ClientOrder, Request } from "./request.ts";
import { ManualClock } from "./testing/manual_clock.ts";

const MIB = 1024 * 1024;

function proposals(): Proposals {
  return new Proposals(new Gathering(new ManualClock(), 4, () => {}));
}

function request(client: ClientOrder, ...args: string[]): Request {
  const command = lookup(args[0] ?? "");
  if (command === undefined) throw new Error(`Cannot find ${args[0]}`);
  return new Request(command, args, client, { settle: (_reply: Reply) => {} });
}

const keysOf = ({ requests }: OpenBatch) => requests.map(({ args }) => args[1]);

Deno.test("all that is small goes into one batch, reads at their place among the writes", () => {
  const open = proposals();
  const client = new ClientOrder();
  for (let at = 0; at < 100; at++) {
    open.addWrite(request(client, "SET", `k${at}`, "v"));
    open.addRider(request(client, "GET", `k${at}`));
  }
  const batch = open.sealOpen(5);
  assertEquals([batch.batch.timeMs, batch.batch.commands.length], [5, 100]);
  assertEquals(keysOf(batch), Array.from({ length: 200 }, (_, at) => `k${at >> 1}`));
  assertEquals([open.openWriteCount, open.openBytes], [0, 0]);
});

Deno.test("what is large is cut into entries of a good size, and keeps its order", () => {
  const open = proposals();
  const client = new ClientOrder();
  const value = "x".repeat(MIB / 2);
  for (let at = 0; at < 5; at++) {
    open.addWrite(request(client, "SET", `k${at}`, value));
    open.addRider(request(client, "GET", `k${at}`));
  }
  const { bytes } = open;
  const cut: (readonly (string | undefined)[])[] = [];
  for (let index = 1; open.openWriteCount > 0; index++) {
    const batch = open.sealOpen(index);
    cut.push(keysOf(batch));
    open.proposed(index, 1, batch, 0);
  }
  assertEquals(cut, [["k0", "k0", "k1", "k1"], ["k2", "k2", "k3", "k3"], ["k4", "k4"]]);
  assertEquals([open.openBytes, open.bytes], [0, bytes]);
  assertEquals(open.underWayCount, 3);
});

Deno.test("a value larger than an entry of a good size has one to itself", () => {
  const open = proposals();
  const client = new ClientOrder();
  for (const key of ["a", "b"]) {
    open.addWrite(request(client, "SET", key, "x".repeat(3 * MIB)));
  }
  assertEquals([keysOf(open.sealOpen(1)), keysOf(open.sealOpen(1))], [["a"], ["b"]]);
});

Deno.test("bytes count from the arrival to the decision", () => {
  const open = proposals();
  const client = new ClientOrder();
  open.addWrite(request(client, "SET", "k", "v"));
  assertEquals(open.bytes > 0, true);
  const batch = open.sealOpen(1);
  open.proposed(1, 1, batch, 0);
  assertEquals(open.bytes > 0, true);
  const decided = open.decidedBy({ index: 1, term: 1, data: batch.batch, sizeBytes: 1 });
  for (const one of decided?.requests ?? []) one.settle(OK);
  assertEquals([open.bytes, client.openWrites], [0, 0]);
});
