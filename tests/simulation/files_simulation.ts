import { createHash } from "node:crypto";
import { FileError } from "../../src/files/file_error.ts";
import type { FileRecord, FilesService } from "../../src/files/files.ts";
import { isLive } from "../../src/store/file_health.ts";
import { FilesNode, startProxy } from "../support/files/files_node.ts";
import { FilesWorld } from "../support/files/files_world.ts";
import { SimBody } from "../support/files/sim_body.ts";
import { withoutReality } from "./without_reality.ts";

const ROUNDS = 2;
/** Times in simulated milliseconds. */
const FAULTS_MS = 20_000;
const REPAIR_MS_MAX = 180_000;
const FILE_NAMES = 10;
const FILE_BYTES_MAX = 3_000;
const CLIENTS = 3;

export interface FilesOutcome {
  readonly seed: number;
  /** What is wrong, with the last events; `null` if nothing is. */
  readonly failure: string | null;
  readonly puts: number;
  readonly refused: number;
  readonly unknown: number;
  readonly reads: number;
  readonly losses: number;
  readonly faults: number;
  readonly repairMs: number;
}

/** What became of an upload, as its client was told. */
type Ending = "running" | "stored" | "refused" | "unknown";

/** Runs a cluster of nodes with files through losses and other faults, and judges it. */
export async function simulateFiles(seed: number): Promise<FilesOutcome> {
  const simulation = new FilesSimulation(seed);
  let failure: string | null = null;
  try {
    await withoutReality(() => simulation.run());
  } catch (error) {
    failure = `seed ${seed}: ${error instanceof Error ? error.stack : error}\n${simulation.trace}`;
  }
  return { seed, failure, ...simulation.counts };
}

class Violation extends Error {}

class FilesSimulation {
  readonly counts = {
    puts: 0,
    refused: 0,
    unknown: 0,
    reads: 0,
    losses: 0,
    faults: 0,
    repairMs: 0,
  };
  readonly #world: FilesWorld;
  readonly #copies: number;
  readonly #proxy: FilesService;
  /** By SHA-256 of the content, which is different for each upload. */
  readonly #uploads = new Map<string, { ending: Ending; content: Uint8Array }>();
  #nodesAdded = 0;
  #isDraining = false;
  #isPaused = false;
  #isOver = false;
  #busyClients = 0;
  #failure: string | null = null;

  constructor(seed: number) {
    this.#world = new FilesWorld(seed);
    const { below } = this.#world;
    this.#copies = 2 + below.call(this.#world, 2);
    const count = this.#copies + this.#world.below(3);
    for (let at = 1; at <= count; at++) this.#addNode();
    this.#proxy = startProxy(this.#world);
  }

  get trace(): string {
    return this.#world.trace;
  }

  #addNode(): FilesNode {
    const node = new FilesNode(this.#world, ++this.#nodesAdded);
    node.start();
    return node;
  }

  async run(): Promise<void> {
    const world = this.#world;
    this.#elect();
    await this.#runFor(2_000);
    for (let client = 0; client < CLIENTS; client++) this.#work();
    for (let round = 0; round < ROUNDS; round++) {
      await this.#loseOne();
      await this.#disturb();
      await this.#demandRepair();
      await this.#loseMany();
      await this.#demandRepair();
    }
    this.#isOver = true;
    await this.#demandEverything();
    for (const node of world.nodes.values()) await this.#stopCleanly(node);
  }

  // Clients

  #work(): void {
    const loop = async () => {
      const world = this.#world;
      while (!this.#isOver) {
        await new Promise<void>((resolve) => world.scheduler.after(world.random() * 800, resolve));
        if (this.#isPaused) continue;
        this.#busyClients++;
        const name = `file ${world.below(FILE_NAMES)} é`;
        const service = this.#anyService();
        // A process that dies never answers.
        const patience = new Promise<void>((r) => world.scheduler.after(30_000, r));
        const dice = world.below(10);
        const work = dice < 6
          ? this.#put(service, name)
          : dice < 7
          ? this.#delete(service, name)
          : this.#read(service, name);
        await Promise.race([work.catch((error) => this.#failure ??= String(error)), patience]);
        this.#busyClients--;
      }
    };
    loop();
  }

  #anyService(): FilesService {
    const up = [...this.#world.nodes.values()].flatMap(({ files }) => files ?? []);
    return this.#world.pick([this.#proxy, ...up]);
  }

  async #put(service: FilesService, name: string): Promise<void> {
    const world = this.#world;
    const content = new Uint8Array(1 + world.below(FILE_BYTES_MAX));
    for (let at = 0; at < content.length; at++) content[at] = world.below(256);
    const sha256 = createHash("sha256").update(content).digest("hex");
    const upload: { ending: Ending; content: Uint8Array } = { ending: "running", content };
    this.#uploads.set(sha256, upload);
    const breaksOff = world.below(8) === 0;
    const body = new SimBody(world, breaksOff ? content.subarray(0, -1) : content, breaksOff);
    const condition = world.pick([undefined, undefined, "absent" as const, "present" as const]);
    try {
      const record = await service.put(name, body, {
        size: world.below(2) === 0 ? content.length : null,
        type: "text/plain",
        copies: this.#copies,
        ...(condition === undefined ? {} : { condition }),
        digests: { sha256 },
      });
      upload.ending = "stored";
      this.counts.puts++;
      if (record.sha256 !== sha256) throw new Violation(`${name} is stored with other bytes`);
      const now = world.machine.files.find(name);
      if (now !== undefined && now.version < record.version) {
        throw new Violation(`${name} was confirmed as ${record.version} and is ${now.version}`);
      }
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      upload.ending = error.code === "outcome-unknown" ? "unknown" : "refused";
      this.counts[upload.ending]++;
      if (upload.ending === "refused") this.#checkInvisible(sha256, error);
    }
  }

  #checkInvisible(sha256: string, error: FileError | null): void {
    for (const file of this.#world.machine.files.view().byName.values()) {
      if (file.sha256 !== sha256) continue;
      throw new Violation(`${file.name} is visible, but its upload was refused: ${error?.message}`);
    }
  }

  async #delete(service: FilesService, name: string): Promise<void> {
    try {
      await service.delete(name, {});
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
    }
  }

  async #read(service: FilesService, name: string): Promise<void> {
    try {
      const record = await service.stat(name);
      if (record !== null) await this.#readAll(service, record);
      this.counts.reads++;
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
    }
  }

  async #readAll(service: FilesService, record: FileRecord): Promise<void> {
    const expected = this.#uploads.get(record.sha256)?.content;
    if (expected === undefined) throw new Violation(`${record.name} was never uploaded`);
    const from = this.#world.below(record.size);
    let at = from;
    for await (const chunk of service.read(record, from, record.size)) {
      for (const byte of chunk) {
        if (byte !== expected[at++]) throw new Violation(`${record.name} is served corrupt`);
      }
    }
    if (at !== record.size) throw new Violation(`${record.name} is served in part`);
  }

  // Faults

  #elect(): void {
    const { nodes, members } = this.#world;
    const up = [...nodes.values()].filter(({ isUp, id }) => isUp && members.has(id));
    this.#world.leader = up.length === 0 ? null : this.#world.pick(up).id;
    this.#world.note(`${this.#world.leader} leads`);
  }

  /** Loses what is on one node, while clients go on. */
  async #loseOne(): Promise<void> {
    await this.#runFor(5_000);
    this.#lose(this.#world.pick([...this.#world.nodes.values()]));
    this.#checkCopies();
  }

  /** Loses as much as may be lost at a time: the copies of all nodes but one. */
  async #loseMany(): Promise<void> {
    this.#isPaused = true;
    await this.#runUntil("clients are done", () => this.#busyClients === 0, 40_000);
    await this.#demandRepair();
    const nodes = [...this.#world.nodes.values()];
    for (let lost = 1; lost < this.#copies; lost++) {
      const [node] = nodes.splice(this.#world.below(nodes.length), 1);
      if (node !== undefined) this.#lose(node);
    }
    this.#checkCopies();
    this.#isPaused = false;
  }

  /** Everything on one node may be lost, or a part. */
  #lose(node: FilesNode): void {
    const world = this.#world;
    this.counts.losses++;
    const kind = world.pick(["wipe", "wipe", "flip", "flip all", "remove"]);
    world.note(`loss: ${kind} ${node.id}`);
    if (kind === "remove") {
      node.kill();
      world.members.delete(node.id);
      world.nodes.delete(node.id);
      if (world.leader === node.id) this.#elect();
      this.#addNode();
    } else if (kind === "wipe") {
      node.kill();
      node.disk.wipe();
      const downMs = world.pick([0, 3_000, 20_000]);
      world.scheduler.after(downMs, () => this.#startAgain(node));
    } else {
      const ids = [...node.disk.blobs.keys()];
      const flipped = kind === "flip" && ids.length > 0 ? [world.pick(ids)] : ids;
      for (const id of flipped) {
        node.disk.flip(id, world.below(node.disk.blobs.get(id)?.bytes.length ?? 1));
      }
    }
  }

  #startAgain(node: FilesNode): void {
    if (this.#world.members.has(node.id)) node.start();
  }

  /** Faults that lose nothing, one after the other. */
  async #disturb(): Promise<void> {
    const world = this.#world;
    const endMs = world.scheduler.nowMs + FAULTS_MS;
    while (world.scheduler.nowMs < endMs) {
      await this.#runFor(world.random() * 3_000);
      this.counts.faults++;
      const node = world.pick([...world.nodes.values()]);
      const lastingMs = world.pick([500, 3_000, 15_000]);
      const later = (run: () => void) => world.scheduler.after(lastingMs, run);
      switch (world.below(9)) {
        case 0:
          node.kill();
          if (world.leader === node.id) this.#elect();
          later(() => this.#startAgain(node));
          break;
        case 1:
          world.note(`${node.id} is isolated`);
          world.isolated.add(node.id);
          if (world.leader === node.id) this.#elect();
          later(() => world.isolated.delete(node.id));
          break;
        case 2:
          world.unknownChance = 0.2;
          later(() => world.unknownChance = 0);
          break;
        case 3:
          world.breakChance = 0.1;
          later(() => world.breakChance = 0);
          break;
        case 4:
          node.disk.capacityBytes = node.disk.usedBytes + 500;
          later(() => node.disk.capacityBytes = 1_000_000);
          break;
        case 5:
          world.leader = null;
          later(() => this.#elect());
          break;
        case 6:
          node.kill();
          node.weight = world.pick([0.5, 1, 2]);
          if (world.leader === node.id) this.#elect();
          this.#startAgain(node);
          break;
        case 7:
          await this.#stopCleanly(node);
          if (world.leader === node.id) this.#elect();
          this.#startAgain(node);
          break;
        case 8:
          // With too few other nodes, draining itself is a loss.
          if (world.nodes.size <= this.#copies || this.#isDraining) break;
          this.#isDraining = true;
          world.execute(["FILE", "DRAIN", node.id]);
          later(() => {
            this.#isDraining = false;
            world.execute(["FILE", "DRAIN", node.id, "OFF"]);
          });
          break;
      }
    }
  }

  #endFaults(): void {
    const world = this.#world;
    world.unknownChance = 0;
    world.breakChance = 0;
    world.isolated.clear();
    for (const node of world.nodes.values()) {
      node.disk.capacityBytes = 1_000_000;
      node.start();
    }
    if (world.leader === null || !world.members.has(world.leader)) this.#elect();
  }

  async #stopCleanly(node: FilesNode): Promise<void> {
    let isStopped = false;
    const { disk, files } = node;
    if (files === null) return;
    files.stop().then(() => isStopped = true);
    const isDone = () => isStopped || !node.isUp;
    await this.#runUntil(`${node.id} stops`, isDone, 70_000).catch((error) => {
      throw new Violation(`${error.message}: ${JSON.stringify([files.transfers, files.healing])}`);
    });
    if (isStopped && files.healing?.pulls.blobs.length !== 0) throw new Violation("A pull goes on");
    node.kill();
    if (disk.staging.size > 0) throw new Violation("Something is half written");
  }

  // Judgement

  async #runFor(ms: number): Promise<void> {
    const { scheduler } = this.#world;
    await this.#world.run(scheduler.nowMs + ms, () => this.#failure !== null);
    if (this.#failure !== null) throw new Violation(this.#failure);
  }

  async #runUntil(what: string, holds: () => boolean, limitMs: number): Promise<void> {
    const world = this.#world;
    const untilMs = world.scheduler.nowMs + limitMs;
    const isDone = await world.run(untilMs, () => this.#failure !== null || holds());
    if (this.#failure !== null) throw new Violation(this.#failure);
    if (!isDone) throw new Violation(`Gave up waiting: ${what}`);
  }

  /** After all faults: every file has all its copies where they belong, and nothing else is left. */
  async #demandRepair(): Promise<void> {
    const world = this.#world;
    const isPaused = this.#isPaused;
    this.#isPaused = true;
    // Delayed faults end first.
    await this.#runFor(21_000);
    this.#endFaults();
    const startMs = world.scheduler.nowMs;
    let why = "";
    let askMs = 0;
    await this.#runUntil("repair", () => {
      if (world.scheduler.nowMs < askMs) return false;
      askMs = world.scheduler.nowMs + 200;
      why = this.#unrepaired();
      return why === "";
    }, REPAIR_MS_MAX).catch((error) => {
      throw new Violation(`${error.message}: ${why}`);
    });
    this.counts.repairMs = Math.max(this.counts.repairMs, world.scheduler.nowMs - startMs);
    this.#checkCopies();
    this.#isPaused = isPaused;
  }

  /** What is still to be repaired; "" if nothing is. */
  #unrepaired(): string {
    const { machine, nodes, members } = this.#world;
    const view = machine.files.view();
    const { nodes: layout } = view.layout;
    if (layout.some(({ id }) => !members.has(id))) return "a node is not forgotten";
    if (layout.length !== members.size) return "a node is not announced";
    if (layout.some(({ isOut }) => isOut)) return "a node is out";
    const expected = new Map<string, Set<string>>([...nodes.keys()].map((id) => [id, new Set()]));
    for (const blob of view.blobs.values()) {
      if (!isLive(blob)) return `blob ${blob.id} is dead`;
      const wanted = view.layout.placement.wanted(blob.file).toSorted();
      if (wanted.join() !== blob.holders.join()) {
        return `blob ${blob.id} is at ${blob.holders} instead of ${wanted}`;
      }
      for (const id of wanted) expected.get(id)?.add(blob.id);
    }
    for (const { id, disk } of nodes.values()) {
      const wanted = expected.get(id) ?? new Set();
      const broken = [...wanted].filter((blob) => !disk.isIntact(blob));
      if (broken.length > 0) return `${id} has no good copy of ${broken}`;
      const extra = [...disk.blobs.keys()].filter((blob) => !wanted.has(blob));
      if (extra.length > 0) return `${id} still has ${extra}`;
    }
    return "";
  }

  /** Every visible file has a good copy somewhere. */
  #checkCopies(): void {
    const { machine, nodes } = this.#world;
    for (const blob of machine.files.view().blobs.values()) {
      if (!isLive(blob)) continue;
      const good = [...nodes.values()].filter(({ disk }) => disk.isIntact(blob.id));
      if (good.length > 0) continue;
      throw new Violation(`${blob.file.name} is lost: blob ${blob.id}, held by ${blob.holders}`);
    }
  }

  /** Every file can be read anywhere, and no upload is visible that was refused. */
  async #demandEverything(): Promise<void> {
    await this.#demandRepair();
    for (const [sha256, { ending }] of this.#uploads) {
      if (ending === "refused") this.#checkInvisible(sha256, null);
    }
    const services = [
      this.#proxy,
      ...[...this.#world.nodes.values()].flatMap((n) => n.files ?? []),
    ];
    let left = services.length;
    for (const service of services) {
      this.#readEverything(service).then(() => left--, (error) => this.#failure ??= String(error));
    }
    await this.#runUntil("everything is read", () => left === 0, 60_000);
  }

  async #readEverything(service: FilesService): Promise<void> {
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<FilesService["list"]>> = await service.list({
        count: 3,
        ...(cursor === null ? {} : { cursor }),
      });
      for (const record of page.files) await this.#readAll(service, record);
      cursor = page.cursor;
    } while (cursor !== null);
  }
}
