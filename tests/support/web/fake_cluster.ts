import { Page } from "../../../src/http/page.ts";
import { Ring } from "../../../src/ring/ring.ts";
import { formatRingId, ringId } from "../../../src/ring/ring_id.ts";
import { PAGE } from "../../../src/web/page.ts";
import { FakeFiles, nameIn, problem } from "./fake_files.ts";

interface FakeKey {
  readonly value: Uint8Array<ArrayBuffer>;
  readonly deadlineMs: number | null;
}

const COPIES = 3;
const CAPACITY = 250e9;

/** A cluster that pretends: the page's server with all that the page asks for, in memory. */
export class FakeCluster {
  readonly files = new FakeFiles();
  readonly keys = new Map<string, FakeKey>();
  readonly #page = new Page(PAGE);
  readonly #watchers = new Set<ReadableStreamDefaultController<Uint8Array>>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #pulse: ReturnType<typeof setInterval>;
  #members = ["n1", "n2", "n3"].map((id, at) => ({
    id,
    address: `127.0.0.1:${7001 + at}`,
    role: at === 1 ? "leader" : "follower",
    isAlive: true,
    isServing: true,
    term: 4 as number,
    commitIndex: 1_204 as number | null,
    appliedIndex: 1_204 as number | null,
    lag: 0 as number | null,
    clockOffsetMs: [0, 1, -2][at] as number | null,
    protocolVersion: 3,
    machineVersion: 2,
    machineVersionMax: 2,
    faults: [] as string[],
  }));

  constructor({ port = 0 }: { port?: number } = {}) {
    this.#server = Deno.serve(
      {
        port,
        hostname: "127.0.0.1",
        onListen: () => {},
        onError: () => new Response(null, { status: 500 }), // what breaks is meant to
      },
      (request) => this.#answer(request),
    );
    this.#pulse = setInterval(() => this.#work(), 250);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** The leader dies: first nobody leads, then another node. */
  async elect(electionMs = 1_500): Promise<void> {
    const old = this.#members.find(({ role }) => role === "leader");
    if (old !== undefined) {
      Object.assign(old, { role: "unknown", isAlive: false, commitIndex: null, lag: null });
    }
    this.#tell();
    await new Promise((resolve) => setTimeout(resolve, electionMs));
    const next = this.#members.find(({ isAlive }) => isAlive);
    for (const member of this.#members) if (member.isAlive) member.term++;
    if (next !== undefined) next.role = "leader";
    this.#tell();
  }

  revive(): void {
    for (const member of this.#members.filter(({ isAlive }) => !isAlive)) {
      Object.assign(member, { role: "follower", isAlive: true, commitIndex: 0, lag: 0 });
      member.term = Math.max(...this.#members.map(({ term }) => term));
    }
    this.#tell();
  }

  async close(): Promise<void> {
    clearInterval(this.#pulse);
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers.clear();
    this.files.breakReads();
    await this.#server.shutdown();
  }

  /** Some entries are committed all the time. */
  #work(): void {
    const commit = Math.max(...this.#members.map(({ commitIndex }) => commitIndex ?? 0));
    const now = commit + Math.round(30 + 20 * Math.sin(Date.now() / 4_000) + Math.random() * 12);
    for (const member of this.#members.filter(({ isAlive }) => isAlive)) {
      Object.assign(member, { commitIndex: now, appliedIndex: now, lag: 0 });
    }
    this.#tell();
  }

  #state(): object {
    const isServing = this.#members.some(({ role, isAlive }) => role === "leader" && isAlive);
    return { isServing, members: this.#members };
  }

  #tell(): void {
    const event = `event: cluster\ndata: ${JSON.stringify(this.#state())}\n\n`;
    for (const watcher of this.#watchers) watcher.enqueue(new TextEncoder().encode(event));
  }

  #watch(): Response {
    let own: ReadableStreamDefaultController<Uint8Array>;
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        own = controller;
        this.#watchers.add(own);
        this.#tell();
      },
      cancel: () => void this.#watchers.delete(own),
    });
    return new Response(stream, { headers: { "content-type": "text/event-stream" } });
  }

  async #answer(request: Request): Promise<Response> {
    const page = this.#page.answer(request);
    if (page !== null) return page;
    const { pathname } = new URL(request.url);
    if (pathname === "/events") return this.#watch();
    if (pathname === "/cluster") return Response.json(this.#state());
    if (pathname === "/readyz") return Response.json({ status: "ready" });
    if (pathname === "/faults") return Response.json({ members: ["n1", "n2", "n3"] });
    if (pathname.startsWith("/faults/")) return this.#fail(nameIn(pathname, "/faults/"), request);
    if (pathname === "/repair") return Response.json(this.#repair());
    if (pathname.startsWith("/placement/")) return this.#placement(nameIn(pathname, "/placement/"));
    if (pathname === "/files" || /^\/(files|uploads)(\/|$)/.test(pathname)) {
      return await this.files.answer(request);
    }
    if (/^\/keys(\/|$)/.test(pathname)) return await this.#answerKeys(request);
    return problem(404, "not-found", "There is nothing here.");
  }

  #fail(id: string, { url }: Request): Response {
    const fault = new URL(url).searchParams.get("fault") ?? "";
    const member = this.#members.find((one) => one.id === id);
    if (member === undefined) return problem(404, "not-found", "There is no such member.");
    member.faults = fault === "heal" ? [] : [fault];
    this.#tell();
    return new Response(null, { status: 204 });
  }

  #repair(): object {
    const records = this.files.records;
    const nodes = this.#members.map(({ id, address, isAlive }, at) => {
      const own = records.filter(({ holders }) => holders.includes(id));
      const bytes = own.reduce((sum, { size }) => sum + size, 0);
      return {
        id,
        address,
        weight: 1,
        capacity: CAPACITY,
        free: CAPACITY * (0.62 - at * 0.06) - bytes,
        state: isAlive ? "up" : "out",
        ringWeight: isAlive ? 1 : 0,
        blobs: own.length,
        bytes,
      };
    });
    const dead = this.#members.filter(({ isAlive }) => !isAlive).length;
    const status = {
      files: records.length,
      bytes: records.reduce((sum, { size }) => sum + size, 0),
      blobs: records.length,
      dead: 0,
      missing: dead * records.length,
      missingBytes: dead * records.reduce((sum, { size }) => sum + size, 0),
      below: dead > 0 ? records.length : 0,
      lost: 0,
      surplus: 0,
    };
    const alive = this.#members.filter(({ isAlive }) => isAlive);
    const progress = alive.map(({ id }) => ({
      node: id,
      pulls: {
        left: dead * records.length,
        bytesLeft: status.missingBytes,
        bytesPerSecond: dead * 12_500_000,
      },
      scrub: { done: records.length / 2, total: records.length, corrupt: 0 },
    }));
    return { status, layout: { revision: 1, version: this.files.version, nodes }, progress };
  }

  #placement(name: string): Response {
    const record = this.files.records.find((one) => one.name === name);
    if (record === undefined) return problem(404, "not-found", "There is no such file.");
    const ring = new Ring(this.#members.map(({ id }) => ({ id, weight: 1 })));
    const id = ringId(`file ${name}`);
    const wanted = ring.successors(id, COPIES);
    const isWhole = this.#members.every(({ isAlive }) => isAlive);
    return Response.json({
      id: formatRingId(id),
      responsible: wanted[0],
      wanted,
      holders: record.holders,
      health: isWhole ? "healthy" : "degraded",
    });
  }

  async #answerKeys(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const now = Date.now();
    for (const [key, { deadlineMs }] of this.keys) {
      if (deadlineMs !== null && deadlineMs <= now) this.keys.delete(key);
    }
    if (url.pathname === "/keys") {
      const prefix = url.searchParams.get("prefix") ?? "";
      const keys = [...this.keys.keys()].filter((key) => key.startsWith(prefix)).sort()
        .map((key) => ({ key, href: `/keys/${encodeURIComponent(key)}` }));
      return Response.json({ keys, cursor: null });
    }
    const key = nameIn(url.pathname, "/keys/");
    const found = this.keys.get(key);
    if (request.method === "PUT") {
      if (request.headers.get("if-none-match") === "*" && found !== undefined) {
        return problem(412, "precondition-failed", "The condition does not hold.");
      }
      const ttl = url.searchParams.get("ttl-ms");
      const value = new Uint8Array(await request.arrayBuffer());
      this.keys.set(key, { value, deadlineMs: ttl === null ? null : now + Number(ttl) });
      return new Response(null, { status: 204 });
    }
    if (found === undefined) return problem(404, "not-found", "There is no such key.");
    if (request.method === "DELETE") {
      this.keys.delete(key);
      return new Response(null, { status: 204 });
    }
    const headers = new Headers({ "content-type": "application/octet-stream" });
    if (found.deadlineMs !== null) headers.set("regent-ttl-ms", String(found.deadlineMs - now));
    return new Response(found.value, { headers });
  }
}
