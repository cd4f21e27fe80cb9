import { joinBytes } from "../../src/base/bytes.ts";
import { FrameDecoder } from "../../src/node/peers/frames.ts";
import type { LinkFaults } from "./link_faults.ts";

const HOST = "127.0.0.1";
const HELLO_BYTES_MAX = 64 * 1024;
const CHUNK_BYTES = 64 * 1024;

/**
 * A relay in front of one node's Raft port, which lets through what the link faults allow. It
 * learns the sender from the hello that opens each connection, so that all nodes can use one
 * address.
 */
export class Relay {
  readonly #listener: Deno.TcpListener;
  readonly #to: string;
  readonly #targetPort: number;
  readonly #faults: LinkFaults;
  readonly #tunnels = new Set<Tunnel>();

  /**
   * @param to the id of the relayed node
   * @param targetPort its Raft port
   */
  constructor(port: number, to: string, targetPort: number, faults: LinkFaults) {
    this.#listener = Deno.listen({ hostname: HOST, port });
    this.#to = to;
    this.#targetPort = targetPort;
    this.#faults = faults;
    this.#accept();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  stop(): void {
    this.#listener.close();
    for (const tunnel of this.#tunnels) tunnel.close();
  }

  async #accept(): Promise<void> {
    for await (const dialler of this.#listener) {
      dialler.setNoDelay();
      this.#serve(dialler).catch((error) => {
        if (!isEnd(error)) throw error;
      });
    }
  }

  async #serve(dialler: Deno.TcpConn): Promise<void> {
    const tunnel = new Tunnel(dialler, this.#to, this.#faults);
    this.#tunnels.add(tunnel);
    try {
      await tunnel.run(this.#targetPort);
    } finally {
      this.#tunnels.delete(tunnel);
      tunnel.close();
    }
  }
}

/** One connection through the relay. */
class Tunnel {
  readonly #dialler: Deno.TcpConn;
  readonly #to: string;
  readonly #faults: LinkFaults;
  #target: Deno.TcpConn | null = null;
  #hasSwallowed = false;
  #isClosed = false;

  constructor(dialler: Deno.TcpConn, to: string, faults: LinkFaults) {
    this.#dialler = dialler;
    this.#to = to;
    this.#faults = faults;
  }

  async run(targetPort: number): Promise<void> {
    const opening = await readHello(this.#dialler);
    if (opening === null) return;
    const { from, bytes } = opening;
    this.#watch(from);
    await this.#passage(from, this.#to);
    if (this.#isClosed) return;
    const target = await Deno.connect({ hostname: HOST, port: targetPort });
    this.#target = target;
    if (this.#isClosed) return target.close();
    target.setNoDelay();
    await this.#deliver(bytes, from, this.#to, target);
    await Promise.race([
      this.#pump(this.#dialler, from, this.#to, target),
      this.#pump(target, this.#to, from, this.#dialler),
    ]);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#dialler.close();
    this.#target?.close();
  }

  /** Resets the connection when a fault asks for it, also while nothing is sent. */
  async #watch(from: string): Promise<void> {
    while (!this.#isClosed) {
      const kinds = [
        this.#faults.modeOf(from, this.#to).kind,
        this.#faults.modeOf(this.#to, from).kind,
      ];
      if (kinds.includes("refuse") || (this.#hasSwallowed && !kinds.includes("swallow"))) {
        return this.close();
      }
      await this.#faults.changed;
    }
  }

  async #pump(
    source: Deno.Conn,
    from: string,
    to: string,
    target: Deno.Conn,
  ): Promise<void> {
    // Bytes that wait here are like packets in flight: the next read does not wait for their
    // delivery.
    let delivered = Promise.resolve();
    let waitingBytes = 0;
    for (;;) {
      const chunk = new Uint8Array(CHUNK_BYTES);
      const length = await source.read(chunk);
      if (length === null) break;
      waitingBytes += length;
      const sentMs = performance.now();
      delivered = delivered.then(async () => {
        await this.#deliver(chunk.subarray(0, length), from, to, target, sentMs);
        waitingBytes -= length;
      });
      delivered.catch(() => this.close());
      if (waitingBytes > 16 * CHUNK_BYTES) await delivered;
    }
    await delivered;
  }

  async #deliver(
    bytes: Uint8Array,
    from: string,
    to: string,
    target: Deno.Conn,
    sentMs: number = performance.now(),
  ): Promise<void> {
    await this.#passage(from, to);
    const mode = this.#faults.modeOf(from, to);
    if (mode.kind === "swallow") this.#hasSwallowed = true;
    if (mode.kind === "swallow" || mode.kind === "refuse" || this.#isClosed) return;
    if (mode.kind === "delay") {
      const waitMs = sentMs + mode.delayMs - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
    for (let at = 0; at < bytes.length;) at += await target.write(bytes.subarray(at));
  }

  /** Waits while the bytes of this direction are held. */
  async #passage(from: string, to: string): Promise<void> {
    while (!this.#isClosed && this.#faults.modeOf(from, to).kind === "hold") {
      await this.#faults.changed;
    }
  }
}

/** The sender in the first frame, with all bytes read so far; `null` if it is not a hello. */
async function readHello(
  dialler: Deno.Conn,
): Promise<{ from: string; bytes: Uint8Array } | null> {
  const frames = new FrameDecoder({ frameBytesMax: HELLO_BYTES_MAX });
  const chunks: Uint8Array[] = [];
  for (;;) {
    const chunk = new Uint8Array(CHUNK_BYTES);
    const length = await dialler.read(chunk);
    if (length === null) return null;
    chunks.push(chunk.subarray(0, length));
    frames.push(chunk.subarray(0, length));
    const hello = frames.next();
    if (hello === null) continue;
    const { from } = JSON.parse(new TextDecoder().decode(hello));
    return { from: String(from), bytes: joinBytes(chunks) };
  }
}

/** Whether this is a usual end of a connection. */
function isEnd(error: unknown): boolean {
  return [
    Deno.errors.BadResource,
    Deno.errors.BrokenPipe,
    Deno.errors.ConnectionAborted,
    Deno.errors.ConnectionRefused,
    Deno.errors.ConnectionReset,
    Deno.errors.Interrupted,
    Deno.errors.NotConnected,
    Deno.errors.UnexpectedEof,
  ].some((kind) => error instanceof kind);
}
