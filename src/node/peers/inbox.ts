import type { VersionRange } from "../../base/version_range.ts";
import type { Cancel, Clock } from "../../platform/clock.ts";
import type { Stream } from "../../platform/network.ts";
import type { NodeId } from "../../raft/types.ts";
import { FrameDecoder, FrameWriter, ProtocolError } from "./frames.ts";
import {
  ALIVE_FRAME,
  decodeHello,
  type Hello,
  type Lane,
  type Notice,
  type NoticeType,
  type Welcome,
} from "./hello.ts";
import { afterReading } from "./link.ts";
import { FRAME_BYTES_MAX, MessageDecoder } from "./message_codec.ts";
import type { PeerMessage } from "./peer_message.ts";

/** After this many returns of earlier processes, one of the processes counts as a copy. */
const RETURNS_MAX = 6;
/** Number of recent processes remembered per peer. */
const LIVES_MAX = 8;

interface Known {
  /** In the order of first appearance. */
  lives: string[];
  current: string;
  /** Number of times that an earlier process returned, since the newest one appeared. */
  returns: number;
  /** The process that counts as a copy; `null` while none does. */
  copy: string | null;
}

/**
 * Detects two processes that run under one id, on copies of one data directory. After a restart the
 * new process stays and the old one never returns, however late its last messages arrive. If two
 * processes keep taking turns, both are alive. The one that appeared first is kept.
 */
export class PeerLives {
  readonly #known = new Map<NodeId, Known>();

  /** Takes a process's hello. Returns false if the process is a copy. */
  admit(peer: NodeId, life: string): boolean {
    const known = this.#known.get(peer);
    if (known === undefined) {
      this.#known.set(peer, { lives: [life], current: life, returns: 0, copy: null });
      return true;
    }
    if (life === known.copy) return false;
    if (life === known.current) return true;
    if (!known.lives.includes(life)) {
      known.lives = [...known.lives, life].slice(-LIVES_MAX);
      known.returns = 0;
    } else if (++known.returns >= RETURNS_MAX) {
      const [first, second] = [life, known.current]
        .sort((a, b) => known.lives.indexOf(a) - known.lives.indexOf(b));
      known.copy = second ?? null;
      known.current = first ?? life;
      return life !== known.copy;
    }
    known.current = life;
    return true;
  }
}

/** Minimum interval in milliseconds between keep-alives to a sender, and their maximum delay. */
const ALIVE_INTERVAL_MS = 300;
/**
 * Maximum size in bytes of a hello. Only members send large frames: an unknown sender cannot make a
 * node keep more than this.
 */
const HELLO_BYTES_MAX = 4096;

/** Number of unread bytes at which a sender gets no further keep-alives. */
const UNREAD_BYTES_MAX = 64 * 1024;

/** Time limit for a hello, however slowly its bytes arrive, in milliseconds. */
const HELLO_MS_MAX = 3_000;

/** What the log says when a notice closes a connection. */
const REASONS: Readonly<Record<NoticeType, string>> = {
  removed: "was removed from the cluster",
  stranger: "runs on another data directory than the one that the cluster knows it by",
  copy: "runs twice, on copies of one data directory, and this process came later",
};

export interface PeerInboxOptions {
  readonly self: NodeId;
  /** Maximum total size of the entries of one append that arrive in parts. */
  readonly entryBytesMax: number;
  /** The machine versions that this build understands. */
  readonly machine: VersionRange;
  readonly clock: Clock;
  /** Called when the connection is closed, with the reason. */
  readonly onRefusal: (who: string, remote: string, reason: string) => void;
  /**
   * Decides whether the peer may speak to this node.
   *
   * @returns a welcome, or a notice that is sent before the connection is closed
   * @throws {ProtocolError} to refuse without a notice
   */
  readonly onHello: (hello: Hello) => Welcome | Notice;
  readonly onMessage: (message: PeerMessage) => void;
  readonly onClose: (inbox: PeerInbox) => void;
}

/** One accepted connection of a peer: a hello, then its messages. Any error closes it. */
export class PeerInbox {
  readonly #stream: Stream;
  readonly #options: PeerInboxOptions;
  readonly #frames = new FrameDecoder({ frameBytesMax: FRAME_BYTES_MAX });
  #peer: NodeId | null = null;
  #life = "";
  #lane: Lane | null = null;
  /** Decodes the peer's messages; `null` before the hello. */
  #messages: MessageDecoder | null = null;
  #aliveSentMs = -Infinity;
  /** Cancels the next keep-alive. */
  #cancelAlive: Cancel | null = null;
  readonly #cancelHello: Cancel;
  #isClosed = false;

  constructor(stream: Stream, options: PeerInboxOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#cancelHello = afterReading(options.clock, HELLO_MS_MAX, () => {
      options.onRefusal("an unknown node", stream.remote, `no hello within ${HELLO_MS_MAX} ms`);
      this.close();
    });
    stream.handle({
      onOpen: () => {},
      onData: (bytes) => this.#handleData(bytes),
      onClose: () => this.#handleClose(),
    });
  }

  /** The sender; `null` before the hello. */
  get peer(): NodeId | null {
    return this.#peer;
  }

  /** The sender's process; empty before the hello. */
  get life(): string {
    return this.#life;
  }

  /** The connection's purpose; `null` before the hello, or when the hello does not give one. */
  get lane(): Lane | null {
    return this.#lane;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#stream.close();
    this.#handleClose();
  }

  #handleData(bytes: Uint8Array): void {
    try {
      this.#frames.push(bytes);
      for (;;) {
        const payload = this.#isClosed ? null : this.#nextFrame();
        if (payload === null) break;
        this.#frame(payload);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      const who = this.#peer ?? "an unknown node";
      this.#options.onRefusal(who, this.#stream.remote, error.message);
      this.close();
      return;
    }
    this.#keepAlive();
  }

  #nextFrame(): Uint8Array | null {
    return this.#messages === null ? this.#frames.next(HELLO_BYTES_MAX) : this.#frames.next();
  }

  #frame(payload: Uint8Array): void {
    if (this.#messages === null) return this.#hello(decodeHello(payload));
    const message = this.#messages.decode(payload);
    if (message !== null) this.#options.onMessage(message);
  }

  #hello(hello: Hello): void {
    const { peer } = this.#stream;
    if (peer && !peer.isNode(hello.from)) {
      throw new ProtocolError(`${hello.from} shows the certificate of ${peer}`);
    }
    const answer = this.#options.onHello(hello);
    this.#write(JSON.stringify(answer));
    if (answer.type !== "welcome") {
      throw new ProtocolError(`${hello.from} ${REASONS[answer.type]}`);
    }
    const { self: to, entryBytesMax, machine } = this.#options;
    this.#cancelHello();
    this.#peer = hello.from;
    this.#life = hello.life;
    this.#lane = hello.lane;
    this.#messages = new MessageDecoder({ from: hello.from, to, entryBytesMax, machine });
  }

  #keepAlive(): void {
    if (this.#isClosed || this.#peer === null || this.#cancelAlive !== null) return;
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const dueMs = this.#aliveSentMs + ALIVE_INTERVAL_MS;
    if (nowMs < dueMs) {
      // A sender that rarely sends would otherwise take the silence for a broken connection.
      this.#cancelAlive = clock.after(dueMs - nowMs, () => this.#sendAlive());
      return;
    }
    this.#sendAlive();
  }

  #sendAlive(): void {
    this.#cancelAlive = null;
    this.#aliveSentMs = this.#options.clock.monotonicMs();
    if (this.#stream.pendingBytes() < UNREAD_BYTES_MAX) this.#write(ALIVE_FRAME);
  }

  #write(text: string): void {
    const frames = new FrameWriter();
    frames.addText(text);
    for (const piece of frames.take()) this.#stream.write(piece);
  }

  #handleClose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelHello();
    this.#cancelAlive?.();
    this.#options.onClose(this);
  }
}
