/**
 * Shows the minimum cost of replication on this runtime. It has the sockets, files and syncs of a
 * Regent node, and nothing else: it does not parse requests, store data, or elect a leader.
 *
 * - `follower PORT DIR`: writes and syncs what the leader sends, and acknowledges it
 * - `leader PORT DIR PORT,PORT`: sends clients' writes to two followers, writes and syncs them, and
 *   answers when one follower has acknowledged them. For reads it asks one follower.
 */
import { Buffer } from "node:buffer";
import net from "node:net";
import { BatchPacer, type PacedClient } from "../../src/node/clients/batch_pacer.ts";
import { FrameDecoder, FrameWriter } from "../../src/node/peers/frames.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { DenoDisk } from "../../src/platform/deno_disk.ts";
import type { DiskFile } from "../../src/platform/disk.ts";
import { endWithStdin } from "./processes.ts";

const HOST = "127.0.0.1";
/** A frame of one byte is a read. The answer to each frame is one byte. */
const ASK = new Uint8Array([0]);
const FRAME_BYTES_MAX = 64 * 1024 * 1024;
const FILE_BYTES = 64 * 1024 * 1024;
const STAR = 0x2a;
const S = 0x53;
const DIGITS_AND_NAME_AT = 8;
const VALUE = `$64\r\n${"x".repeat(64)}\r\n`;

/** A file that is overwritten from the start when it is full. */
class Ring {
  #offset = 0;

  constructor(readonly file: DiskFile) {
    const zeros = new Uint8Array(1 << 20);
    for (let at = 0; at < FILE_BYTES; at += zeros.length) file.write(zeros, at);
  }

  async append(bytes: Uint8Array): Promise<void> {
    if (this.#offset + bytes.length > FILE_BYTES) this.#offset = 0;
    this.file.write(bytes, this.#offset);
    this.#offset += bytes.length;
    await new Promise<void>((done) => this.file.sync(() => done()));
  }
}

/** Writes and syncs what the leader sends, then acknowledges it. Acknowledges reads at once. */
function follow(port: number, ring: Ring): void {
  net.createServer({ noDelay: true }, (socket) => {
    const frames = new FrameDecoder({ frameBytesMax: FRAME_BYTES_MAX });
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      frames.push(chunk);
      for (let frame = frames.next(); frame !== null; frame = frames.next()) {
        if (frame.length === ASK.length) socket.write(ASK);
        else void ring.append(frame).then(() => socket.write(ASK));
      }
    });
  }).listen(port, HOST);
}

function lead(port: number, followers: readonly number[], ring: Ring): void {
  const sockets = followers.map((follower) =>
    net.connect({ port: follower, host: HOST, noDelay: true })
  );
  const leader = new Leader(sockets, ring);
  net.createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => {});
    const client = new Client(socket);
    socket.on("data", (chunk) => leader.received(client, chunk));
  }).listen(port, HOST);
}

/** A connection to a follower, which counts the messages sent and the answers received. */
class Follower {
  sent = 0;
  answered = 0;

  constructor(readonly socket: net.Socket, onAnswer: () => void) {
    socket.on("data", (chunk) => {
      this.answered += chunk.length;
      onAnswer();
    });
  }

  send(bytes: Uint8Array): void {
    this.sent++;
    this.socket.write(bytes);
  }
}

class Client implements PacedClient {
  answeredWith: PacedClient["answeredWith"] = null;

  constructor(readonly socket: net.Socket) {}
}

interface Waiting {
  readonly client: Client;
  readonly chunk: Uint8Array;
  readonly count: number;
  readonly isWrite: boolean;
}

/** Sends clients' requests in batches, one batch at a time. */
class Leader {
  readonly #pacer = new BatchPacer(systemClock, 1, () => this.#go());
  readonly #followers: readonly Follower[];
  readonly #ring: Ring;
  #waiting: Waiting[] = [];
  #openCount = 0;
  #inFlight: Waiting[] = [];
  #asked: readonly { readonly follower: Follower; readonly upTo: number }[] = [];
  #isScheduled = false;

  constructor(followers: readonly net.Socket[], ring: Ring) {
    this.#followers = followers.map((socket) => new Follower(socket, () => this.#answer()));
    this.#ring = ring;
  }

  received(client: Client, chunk: Uint8Array): void {
    let count = 0;
    for (const byte of chunk) if (byte === STAR) count++;
    const isWrite = chunk[DIGITS_AND_NAME_AT] === S;
    this.#waiting.push({ client, chunk, count, isWrite });
    this.#pacer.noteRequest(client);
    this.#openCount += count;
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => this.#go());
  }

  #go(): void {
    this.#isScheduled = false;
    const status = {
      isFull: false,
      batchesInFlight: this.#inFlight.length > 0 ? 1 : 0,
      newestSentMs: Infinity,
    };
    if (this.#openCount === 0 || !this.#pacer.isDue(status)) return;
    this.#inFlight = this.#waiting;
    this.#waiting = [];
    this.#openCount = 0;
    const writes = this.#inFlight.filter(({ isWrite }) => isWrite);
    if (writes.length === 0) {
      this.#send(ASK, this.#followers.slice(0, 1));
      return;
    }
    const batch = Buffer.concat(writes.map(({ chunk }) => chunk));
    this.#send(batch, this.#followers);
    void this.#ring.append(batch);
  }

  #send(payload: Uint8Array, followers: readonly Follower[]): void {
    const frames = new FrameWriter();
    frames.addPieces([payload]);
    const bytes = Buffer.concat(frames.take());
    for (const follower of followers) follower.send(bytes);
    this.#asked = followers.map((follower) => ({ follower, upTo: follower.sent }));
  }

  /** Answers the batch as soon as one follower has acknowledged it. */
  #answer(): void {
    if (!this.#asked.some(({ follower, upTo }) => follower.answered >= upTo)) return;
    this.#asked = [];
    const answered = this.#inFlight;
    this.#inFlight = [];
    for (const { client, count, isWrite } of answered) {
      client.socket.write((isWrite ? "+OK\r\n" : VALUE).repeat(count), "latin1");
    }
    this.#pacer.noteAnswers(answered);
    this.#go();
  }
}

const [role, port, dir = "", followers] = Deno.args;
void endWithStdin();
const disk = await DenoDisk.open(dir);
const ring = new Ring(disk.open("floor", "create"));
if (followers === undefined) follow(Number(port), ring);
else lead(Number(port), followers.split(",").map(Number), ring);
console.error(`${role} listens`);
