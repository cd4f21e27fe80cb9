import { formatAddress } from "../../base/address.ts";
import { type Random, randomInteger } from "../../base/random.ts";
import type { VersionRange } from "../../base/version_range.ts";
import type { Cancel, Clock } from "../../platform/clock.ts";
import { type Address, type Network, shortReason, type Stream } from "../../platform/network.ts";
import type { NodeId } from "../../raft/types.ts";
import { isSame } from "../members/membership.ts";
import { FrameDecoder, type FramePiece, FrameWriter, ProtocolError } from "./frames.ts";
import { decodeNotice, decodeWelcome, type Lane, type Notice } from "./hello.ts";
import { writeMessage } from "./message_codec.ts";
import type { PeerMessage } from "./peer_message.ts";

/**
 * Time in milliseconds in which the event loop runs at least once, and reads everything that has
 * arrived.
 */
const ROUND_MS = 25;

/**
 * Calls back after the delay, but not before the event loop has read everything that arrived by
 * then. After a long pause of the process, its timers fire before it reads its sockets: it would
 * take peers for silent that have sent something meanwhile.
 */
export function afterReading(clock: Clock, delayMs: number, run: () => void): Cancel {
  let cancel = clock.after(delayMs, () => {
    cancel = clock.after(ROUND_MS, () => {
      cancel = clock.after(ROUND_MS, run);
    });
  });
  return () => cancel();
}

/** Bytes in a stream's buffer at which further pieces wait. */
const STREAM_BYTES_MAX = 1024 * 1024;
/** Interval in milliseconds between checks of the stream's buffer while pieces wait. */
const PACE_MS = 1;

/**
 * The output to one peer. A large entry is sent over many turns of the event loop, so that
 * heartbeats and clients are served in between. Its frames are created only as they are sent.
 */
export class PacedOutput {
  readonly #stream: Stream;
  readonly #clock: Clock;
  #waiting: FramePiece[] = [];
  /** Number of pieces of `#waiting` that are written. */
  #written = 0;
  #waitingBytes = 0;
  #cancel: Cancel | null = null;

  constructor(stream: Stream, clock: Clock) {
    this.#stream = stream;
    this.#clock = clock;
  }

  /** Bytes that the operating system has not taken yet. */
  get pendingBytes(): number {
    return this.#waitingBytes + this.#stream.pendingBytes();
  }

  add(pieces: readonly FramePiece[]): void {
    for (const piece of pieces) {
      this.#waiting.push(piece);
      this.#waitingBytes += piece.length;
    }
    if (this.#cancel === null) this.#write();
  }

  /** Drops the waiting pieces: the connection has ended. */
  stop(): void {
    this.#cancel?.();
    this.#waiting = [];
    this.#waitingBytes = this.#written = 0;
  }

  #write(): void {
    this.#cancel = null;
    let room = STREAM_BYTES_MAX - this.#stream.pendingBytes();
    for (; this.#written < this.#waiting.length; this.#written++) {
      const piece = this.#waiting[this.#written] as FramePiece;
      if (room <= 0) {
        this.#waiting = this.#waiting.slice(this.#written);
        this.#written = 0;
        this.#cancel = this.#clock.after(PACE_MS, () => this.#write());
        return;
      }
      room -= piece.length;
      this.#waitingBytes -= piece.length;
      const made = piece instanceof Uint8Array ? [piece] : piece.make();
      for (const bytes of made) this.#stream.write(bytes);
    }
    this.#waiting = [];
    this.#written = 0;
  }
}

/** Time in milliseconds for which a peer may be busy, per MiB of the entries in flight to it. */
const BUSY_MS_PER_MIB = 250;
/** Upper bound of that time, in milliseconds. */
const BUSY_MS_MAX = 15_000;
/** Minimum size in bytes of an append that may keep a peer busy. */
const COUNTED_BYTES_MIN = 64 * 1024;

interface Sent {
  readonly lastIndex: number;
  readonly bytes: number;
  readonly sentMs: number;
}

/**
 * The entries in flight to a peer. While the peer reads a large entry, its event loop may be silent
 * on all connections. A sender that took the peer for dead would send the entry again, and keep the
 * peer busy for ever.
 */
class EntriesInFlight {
  #sent: Sent[] = [];
  #bytes = 0;

  /** Counts a message sent to the peer. */
  noteSent(message: PeerMessage, nowMs: number): void {
    if (message.type !== "append") return;
    let bytes = 0;
    for (const { sizeBytes } of message.entries) bytes += sizeBytes;
    if (bytes < COUNTED_BYTES_MIN) return;
    this.#sent.push({
      lastIndex: message.prevIndex + message.entries.length,
      bytes,
      sentMs: nowMs,
    });
    this.#bytes += bytes;
  }

  /** Counts an acknowledgement from the peer. */
  noteReceived(message: PeerMessage): void {
    if (message.type !== "appendReply" || !message.accepted) return;
    this.#dropWhile(({ lastIndex }) => lastIndex <= message.index);
  }

  /** Forgets the entries when their connection is lost. */
  clear(): void {
    this.#sent = [];
    this.#bytes = 0;
  }

  /** How much longer than usual the peer may be silent, in milliseconds. */
  patienceMs(nowMs: number): number {
    // Entries of a former leader may never be acknowledged.
    this.#dropWhile(({ sentMs }) => nowMs - sentMs > BUSY_MS_MAX);
    return Math.min(BUSY_MS_MAX, this.#bytes / 2 ** 20 * BUSY_MS_PER_MIB);
  }

  #dropWhile(isOver: (sent: Sent) => boolean): void {
    let first = this.#sent[0];
    while (first !== undefined && isOver(first)) {
      this.#bytes -= first.bytes;
      this.#sent.shift();
      first = this.#sent[0];
    }
  }
}

/** Delay in milliseconds before the first reconnection. It doubles up to the maximum. */
const RETRY_MS_MIN = 20;
const RETRY_MS_MAX = 500;
/**
 * Bytes not yet taken by the operating system above which messages are dropped. Raft sends them
 * again. The largest value must fit: 64 MiB, and a third more as base64.
 */
const PENDING_BYTES_MAX = 128 * 1024 * 1024;
/**
 * Time limit in milliseconds from dialling to the peer's welcome. The kernel retries a connection
 * with growing delays, up to a minute. That would be far too late after the end of a network
 * failure.
 */
const DIAL_MS_MAX = 1_000;
/**
 * Time of silence after a message, in milliseconds, above which a peer that is not busy is dialled
 * again.
 */
const SILENCE_MS_MAX = 1_000;
/**
 * Maximum size in bytes of a frame that a peer sends back on a link: a welcome, notice or
 * keep-alive.
 */
const NOTICE_BYTES_MAX = 1_024;

export interface PeerLinkOptions {
  readonly peer: NodeId;
  /** The text of the hello that opens a connection. */
  readonly hello: () => string;
  /** The protocol versions that the hello offers. */
  readonly protocol: VersionRange;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  /** How much longer than usual the peer may be silent, because it may be busy. */
  readonly patienceMs: (nowMs: number) => number;
  /**
   * Messages that were sent may be lost. `isSilent` means that nobody closed the connection, but
   * nothing has arrived on it.
   */
  readonly onLost: (peer: NodeId, isSilent: boolean) => void;
  /** The peer says that a node, which the notice names, may not take part. */
  readonly onNotice: (notice: Notice) => void;
}

/** A connection for messages from this node to one peer. It reconnects whenever it breaks. */
export class PeerLink {
  #address: Address;
  /** Another address of the peer, such as the previous one. It is tried when nobody answers. */
  #otherAddress: Address | null = null;
  readonly #options: PeerLinkOptions;
  readonly #frames = new FrameWriter();
  #stream: Stream | null = null;
  #output: PacedOutput | null = null;
  #isOpen = false;
  /** Whether the peer has answered on this connection. */
  #isAnswered = false;
  #isStopped = false;
  /** Why the last connection ended or failed. */
  #reason = "not reached yet";
  #retryMs = RETRY_MS_MIN;
  /**
   * Cancels the timer of the next attempt: after a failure, or when this attempt takes too long.
   */
  #cancelRetry: Cancel | null = null;
  /** When the oldest message without a reply was sent; `null` when there is none. */
  #unansweredSinceMs: number | null = null;
  #heardMs = -Infinity;
  /** Cancels the last check before a silent peer is dialled again. */
  #cancelLook: Cancel | null = null;

  constructor(address: Address, options: PeerLinkOptions) {
    this.#address = address;
    this.#options = options;
    this.#dial();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Monotonic time at which the peer last sent anything on this link. */
  get heardMs(): number {
    return this.#heardMs;
  }

  /** Why there is no connection, as far as is known; `null` while there is one. */
  get problem(): string | null {
    return this.#isOpen ? null : `${formatAddress(this.#address)}: ${this.#reason}`;
  }

  /** Takes a message for the next `flush`. Without a connection it is lost. */
  send(message: PeerMessage): void {
    if (!this.#isOpen) return;
    writeMessage(this.#frames, message);
  }

  /** Sends what was collected in this turn. */
  flush(): void {
    if (this.#frames.isEmpty) return;
    const pieces = this.#frames.takePieces();
    if (!this.#isOpen || this.#output === null) return;
    const nowMs = this.#options.clock.monotonicMs();
    this.#unansweredSinceMs ??= nowMs;
    if (nowMs - this.#unansweredSinceMs > SILENCE_MS_MAX + this.#options.patienceMs(nowMs)) {
      this.#giveUpUnlessHeard(this.#unansweredSinceMs);
    }
    if (this.#output.pendingBytes > PENDING_BYTES_MAX) {
      return this.#options.onLost(this.#options.peer, false);
    }
    this.#output.add(pieces);
  }

  /** The peer is at another address from now on. */
  moveTo(address: Address): void {
    if (isSame(address, this.#address)) return;
    this.#otherAddress = this.#address;
    this.#address = address;
    this.#retryMs = RETRY_MS_MIN;
    this.#isAnswered = true; // the old address must not be tried before this one
    if (this.#stream !== null) return this.#reconnect();
    this.dialNow();
  }

  /** The peer is known to be up: connects without further delay. */
  dialNow(): void {
    if (this.#stream !== null || this.#isStopped) return;
    this.#cancelRetry?.();
    this.#dial();
  }

  /** Closes the connection, if there is one, and reconnects. */
  renew(): void {
    if (this.#isOpen) this.#reconnect();
  }

  stop(): void {
    this.#isStopped = true;
    this.#isOpen = false;
    this.#cancelRetry?.();
    this.#cancelLook?.();
    this.#output?.stop();
    this.#stream?.close();
  }

  #dial(): void {
    const giveUp = () => this.#reconnect("no answer");
    this.#cancelRetry = afterReading(this.#options.clock, DIAL_MS_MAX, giveUp);
    const answers = new FrameDecoder({ frameBytesMax: NOTICE_BYTES_MAX });
    const { network, peer } = this.#options;
    const stream = network.connect(this.#address, {
      onOpen: () => this.#sayHello(stream),
      onData: (bytes) => this.#handleData(answers, bytes),
      onClose: (reason) => this.#handleClose(shortReason(reason)),
    }, peer);
    this.#stream = stream;
    this.#output = new PacedOutput(stream, this.#options.clock);
    this.#isAnswered = false;
  }

  #sayHello(stream: Stream): void {
    const hello = new FrameWriter();
    hello.addText(this.#options.hello());
    for (const piece of hello.take()) stream.write(piece);
  }

  /** The peer is listening, and has chosen a version. */
  #noteWelcome(frame: Uint8Array): void {
    decodeWelcome(frame, this.#options.protocol);
    this.#cancelRetry?.();
    this.#isOpen = true;
    this.#retryMs = RETRY_MS_MIN;
  }

  #giveUpUnlessHeard(sinceMs: number): void {
    this.#cancelLook ??= afterReading(this.#options.clock, 0, () => {
      this.#cancelLook = null;
      if (this.#unansweredSinceMs === sinceMs) this.#reconnect("no answer", true);
    });
  }

  #handleData(answers: FrameDecoder, bytes: Uint8Array): void {
    this.#unansweredSinceMs = null;
    this.#heardMs = this.#options.clock.monotonicMs();
    this.#isAnswered = true;
    try {
      answers.push(bytes);
      for (let frame = answers.next(); frame !== null; frame = answers.next()) {
        const notice = decodeNotice(frame);
        if (notice !== null) this.#options.onNotice(notice);
        else if (!this.#isOpen) this.#noteWelcome(frame);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#reconnect();
    }
  }

  #reconnect(reason = "closed", isSilent = false): void {
    this.#stream?.close();
    this.#handleClose(reason, isSilent);
  }

  #handleClose(reason: string, isSilent = false): void {
    this.#reason = reason;
    const wasOpen = this.#isOpen;
    if (!this.#isAnswered && this.#otherAddress !== null) {
      [this.#address, this.#otherAddress] = [this.#otherAddress, this.#address];
    }
    this.#isOpen = false;
    this.#stream = null;
    this.#output?.stop();
    this.#output = null;
    this.#cancelRetry?.();
    this.#cancelLook?.();
    this.#cancelLook = null;
    if (this.#isStopped) return;
    const jitterMs = randomInteger(this.#options.random, this.#retryMs);
    this.#cancelRetry = this.#options.clock.after(this.#retryMs + jitterMs, () => this.#dial());
    this.#retryMs = Math.min(RETRY_MS_MAX, this.#retryMs * 2);
    if (wasOpen) this.#options.onLost(this.#options.peer, isSilent);
  }
}

/**
 * Time in milliseconds after something arrived on the bulk connection in which the peer counts as
 * alive. If the urgent connection is silent nevertheless, that connection itself is broken.
 * Keep-alives come twice as often as this.
 */
const ALIVE_MS = 600;

export interface PeerLinksOptions extends Omit<PeerLinkOptions, "hello" | "patienceMs"> {
  /** The text of the hello that opens a connection. */
  readonly hello: (lane: Lane) => string;
}

/**
 * The two connections from this node to one peer. A large value in flight on one of them delays no
 * heartbeat, vote or read confirmation on the other. Entries and parts of snapshots must stay in
 * order and share one connection. Everything else may overtake them.
 */
export class PeerLinks {
  readonly #urgent: PeerLink;
  readonly #bulk: PeerLink;

  readonly #clock: Clock;
  readonly #entriesInFlight = new EntriesInFlight();

  constructor(address: Address, options: PeerLinksOptions) {
    this.#clock = options.clock;
    // A peer that is busy with entries is silent on both connections.
    const patienceMs = (nowMs: number) => this.#entriesInFlight.patienceMs(nowMs);
    this.#bulk = new PeerLink(address, {
      ...options,
      hello: () => options.hello("bulk"),
      patienceMs,
      onLost: (peer, isSilent) => {
        this.#entriesInFlight.clear();
        options.onLost(peer, isSilent);
      },
    });
    this.#urgent = new PeerLink(address, {
      ...options,
      hello: () => options.hello("urgent"),
      patienceMs,
      onLost: (peer, isSilent) => {
        if (isSilent && this.#isBulkAlive()) return;
        // The other connection may have so little traffic that it would notice the failure late.
        this.#bulk.renew();
        options.onLost(peer, isSilent);
      },
    });
  }

  /** Whether both connections are open. */
  get isOpen(): boolean {
    return this.#urgent.isOpen && this.#bulk.isOpen;
  }

  /** Why a connection is not open; `null` when both are. */
  get problem(): string | null {
    return this.#urgent.problem ?? this.#bulk.problem;
  }

  /**
   * Takes a message for the next `flush`. Without a connection it is lost. Urgent messages use the
   * bulk connection while they have none of their own: if the first packet of a new connection is
   * lost, the kernel takes a second to open it, and the peer would miss its leader.
   */
  send(message: PeerMessage): void {
    if (!isBulk(message) && this.#urgent.isOpen) return this.#urgent.send(message);
    if (!this.#bulk.isOpen) return;
    this.#entriesInFlight.noteSent(message, this.#clock.monotonicMs());
    this.#bulk.send(message);
  }

  /** Counts an acknowledgement from the peer. */
  noteReceived(message: PeerMessage): void {
    this.#entriesInFlight.noteReceived(message);
  }

  /** Sends what was collected in this turn, urgent messages first. */
  flush(): void {
    this.#urgent.flush();
    this.#bulk.flush();
  }

  /** The peer is at another address from now on. */
  moveTo(address: Address): void {
    this.#urgent.moveTo(address);
    this.#bulk.moveTo(address);
  }

  /** The peer is known to be up: connects without further delay. */
  dialNow(): void {
    this.#urgent.dialNow();
    this.#bulk.dialNow();
  }

  /** Reconnects, since the content of the hello has changed. */
  renew(): void {
    this.#urgent.renew();
    this.#bulk.renew();
  }

  stop(): void {
    this.#urgent.stop();
    this.#bulk.stop();
  }

  #isBulkAlive(): boolean {
    return this.#bulk.isOpen && this.#clock.monotonicMs() - this.#bulk.heardMs < ALIVE_MS;
  }
}

function isBulk({ type }: PeerMessage): boolean {
  return type === "append" || type === "snapshotOffer" || type === "snapshotChunk";
}
