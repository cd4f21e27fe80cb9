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

/** One round of the event loop, at the least: what has arrived is read in each. */
const ROUND_MS = 25;

/**
 * Calls back after the delay, but not before what had arrived by then could be read. The timers of a
 * process that stood still for long go off before it looks at its sockets: it would take others for
 * silent that have spoken meanwhile.
 */
export function afterReading(clock: Clock, delayMs: number, run: () => void): Cancel {
  let cancel = clock.after(delayMs, () => {
    cancel = clock.after(ROUND_MS, () => {
      cancel = clock.after(ROUND_MS, run);
    });
  });
  return () => cancel();
}

/** What the stream holds at most of large pieces, and what one turn of the event loop writes. */
const STREAM_BYTES_MAX = 1024 * 1024;
/** How soon the stream is looked at again. */
const PACE_MS = 1;

/**
 * What is on its way to one peer. A large entry leaves over many turns of the event loop, so that
 * heartbeats and clients have theirs in between, and takes memory as it leaves.
 */
export class PacedOutput {
  readonly #stream: Stream;
  readonly #clock: Clock;
  #waiting: FramePiece[] = [];
  /** So many of `#waiting` are written. */
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

  /** Forgets what waits: the connection is over. */
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

/** How long a peer may be busy with each MiB of the entries that it was sent, and with all of them. */
const BUSY_MS_PER_MIB = 250;
const BUSY_MS_MAX = 15_000;
/** Appends with fewer bytes keep nobody busy. */
const COUNTED_BYTES_MIN = 64 * 1024;

interface Sent {
  readonly lastIndex: number;
  readonly bytes: number;
  readonly sentMs: number;
}

/**
 * The entries that a peer was sent and has not acknowledged. While it reads a large one, its event
 * loop may say nothing, on no connection: whoever took that for death would send the entry again,
 * and keep the peer busy for ever.
 */
export class EntriesUnderWay {
  #sent: Sent[] = [];
  #bytes = 0;

  /** A message leaves for the peer. */
  sent(message: PeerMessage, nowMs: number): void {
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

  /** A message has come from the peer. */
  received(message: PeerMessage): void {
    if (message.type !== "appendReply" || !message.accepted) return;
    this.#dropWhile(({ lastIndex }) => lastIndex <= message.index);
  }

  /** The connection that they were sent on is lost. */
  clear(): void {
    this.#sent = [];
    this.#bytes = 0;
  }

  /** How much longer than usual the peer may be silent. */
  patienceMs(nowMs: number): number {
    // What a leader sent that leads no more is acknowledged to nobody.
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

const RETRY_MS_MIN = 20;
const RETRY_MS_MAX = 500;
/**
 * Bytes that the network has not taken, above which messages are dropped: Raft repeats them. The
 * largest value, 64 MiB and a third more as base64, must not count as too much.
 */
const PENDING_BYTES_MAX = 128 * 1024 * 1024;
/**
 * How long a connection may take until the peer says that it is welcome. The kernel waits longer and longer before it tries again, up
 * to a minute: after a network that swallowed everything is well, so long nothing would be sent.
 */
const DIAL_MS_MAX = 1_000;
/** A peer that shows no sign of life for so long after a message, and is not busy, is dialled anew. */
const SILENCE_MS_MAX = 1_000;
/** Of what a peer says on a link that is not its own: signs of life, hardly more. */
const NOTICE_BYTES_MAX = 1_024;

export interface PeerLinkOptions {
  readonly peer: NodeId;
  /** The text of the hello that opens a connection. */
  readonly hello: () => string;
  /** The versions of the protocol that it offers. */
  readonly protocol: VersionRange;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  /** How much longer than usual the peer may be silent: it may be busy. */
  readonly patienceMs: (nowMs: number) => number;
  /** What was sent may be lost. `isSilent`: nobody has closed the connection, but nothing is heard. */
  readonly onLost: (peer: NodeId, isSilent: boolean) => void;
  /** The peer says that somebody may not take part. */
  readonly onNotice: (notice: Notice) => void;
}

/** A connection that carries messages of this node to one peer; dials again whenever it breaks. */
export class PeerLink {
  #address: Address;
  /** Where the peer was before, or may be instead: tried when nobody answers. */
  #otherAddress: Address | null = null;
  readonly #options: PeerLinkOptions;
  readonly #frames = new FrameWriter();
  #stream: Stream | null = null;
  #output: PacedOutput | null = null;
  #isOpen = false;
  /** The peer said something on this connection. */
  #isAnswered = false;
  #isStopped = false;
  /** Why the last connection ended, or was none. */
  #reason = "not reached yet";
  #retryMs = RETRY_MS_MIN;
  /** Of the timer that dials next: after a failure, or when this attempt takes too long. */
  #cancelRetry: Cancel | null = null;
  /** When the oldest message was sent after which nothing was heard; `null`: none. */
  #unansweredSinceMs: number | null = null;
  #heardMs = -Infinity;
  /** Of the last look at whether the peer is really silent. */
  #cancelLook: Cancel | null = null;

  constructor(address: Address, options: PeerLinkOptions) {
    this.#address = address;
    this.#options = options;
    this.#dial();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** When the peer last said anything here, by the monotonic clock. */
  get heardMs(): number {
    return this.#heardMs;
  }

  /** Why there is no connection, as far as is known; `null` while there is one. */
  get problem(): string | null {
    return this.#isOpen ? null : `${this.#address.host}:${this.#address.port}: ${this.#reason}`;
  }

  /** Takes a message for the next `flush`; without a connection it is lost. */
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

  /** The peer is to be found elsewhere from now on. */
  moveTo(address: Address): void {
    if (isSame(address, this.#address)) return;
    this.#otherAddress = this.#address;
    this.#address = address;
    this.#retryMs = RETRY_MS_MIN;
    this.#isAnswered = true; // the other address is not to be tried before this one
    if (this.#stream !== null) return this.#reconnect();
    this.dialNow();
  }

  /** The peer is known to be up: does not wait any longer to dial it. */
  dialNow(): void {
    if (this.#stream !== null || this.#isStopped) return;
    this.#cancelRetry?.();
    this.#dial();
  }

  /** Closes the connection, if there is one, and dials again. */
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
    const stream = this.#options.network.connect(this.#address, {
      onOpen: () => this.#opened(stream),
      onData: (bytes) => this.#heard(answers, bytes),
      onClose: (reason) => this.#closed(shortReason(reason)),
    });
    this.#stream = stream;
    this.#output = new PacedOutput(stream, this.#options.clock);
    this.#isAnswered = false;
  }

  #opened(stream: Stream): void {
    const hello = new FrameWriter();
    hello.addText(this.#options.hello());
    for (const piece of hello.take()) stream.write(piece);
  }

  /** Only now it is known that the peer listens, and in which version. */
  #welcomed(frame: Uint8Array): void {
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

  #heard(answers: FrameDecoder, bytes: Uint8Array): void {
    this.#unansweredSinceMs = null;
    this.#heardMs = this.#options.clock.monotonicMs();
    this.#isAnswered = true;
    try {
      answers.push(bytes);
      for (let frame = answers.next(); frame !== null; frame = answers.next()) {
        const notice = decodeNotice(frame);
        if (notice !== null) this.#options.onNotice(notice);
        else if (!this.#isOpen) this.#welcomed(frame);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#reconnect();
    }
  }

  #reconnect(reason = "closed", isSilent = false): void {
    this.#stream?.close();
    this.#closed(reason, isSilent);
  }

  #closed(reason: string, isSilent = false): void {
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
 * A peer that has spoken on one connection of late is there, though the other is silent: that one
 * alone is broken. Signs of life come twice as often.
 */
const SPOKE_LATELY_MS = 600;

export interface PeerLinksOptions extends Omit<PeerLinkOptions, "hello" | "patienceMs"> {
  /** The text of the hello that opens a connection. */
  readonly hello: (lane: Lane) => string;
}

/**
 * This node's two connections to one peer: a large value on its way on the one holds up no heartbeat,
 * vote or confirmation of a read on the other. What must stay in order, entries and the parts of
 * snapshots, goes over one of them; all else may overtake it.
 */
export class PeerLinks {
  readonly #urgent: PeerLink;
  readonly #bulk: PeerLink;

  readonly #clock: Clock;
  readonly #underWay = new EntriesUnderWay();

  constructor(address: Address, options: PeerLinksOptions) {
    this.#clock = options.clock;
    // Whoever is busy with entries of the one says nothing on the other either.
    const patienceMs = (nowMs: number) => this.#underWay.patienceMs(nowMs);
    this.#bulk = new PeerLink(address, {
      ...options,
      hello: () => options.hello("bulk"),
      patienceMs,
      onLost: (peer, isSilent) => {
        this.#underWay.clear();
        options.onLost(peer, isSilent);
      },
    });
    this.#urgent = new PeerLink(address, {
      ...options,
      hello: () => options.hello("urgent"),
      patienceMs,
      onLost: (peer, isSilent) => {
        if (isSilent && this.#hasSpokenOfEntries()) return;
        // Hardly anything may be said on the other, so that it would notice late.
        this.#bulk.renew();
        options.onLost(peer, isSilent);
      },
    });
  }

  /** Whether both are open. */
  get isOpen(): boolean {
    return this.#urgent.isOpen && this.#bulk.isOpen;
  }

  /** Why they are not; `null`: they are. */
  get problem(): string | null {
    return this.#urgent.problem ?? this.#bulk.problem;
  }

  /**
   * Takes a message for the next `flush`; without a connection it is lost. What is urgent goes with the
   * entries where it has no connection of its own: to open one takes the kernel a second when its first
   * packet is lost, and the peer would miss its leader.
   */
  send(message: PeerMessage): void {
    if (!isBulk(message) && this.#urgent.isOpen) return this.#urgent.send(message);
    if (!this.#bulk.isOpen) return;
    this.#underWay.sent(message, this.#clock.monotonicMs());
    this.#bulk.send(message);
  }

  /** The peer has said this, on a connection of its own. */
  received(message: PeerMessage): void {
    this.#underWay.received(message);
  }

  /** Sends what was collected in this turn, what is urgent first. */
  flush(): void {
    this.#urgent.flush();
    this.#bulk.flush();
  }

  /** The peer is to be found elsewhere from now on. */
  moveTo(address: Address): void {
    this.#urgent.moveTo(address);
    this.#bulk.moveTo(address);
  }

  /** The peer is known to be up: does not wait any longer to dial it. */
  dialNow(): void {
    this.#urgent.dialNow();
    this.#bulk.dialNow();
  }

  /** Opens the connections anew: what the hello tells has changed. */
  renew(): void {
    this.#urgent.renew();
    this.#bulk.renew();
  }

  stop(): void {
    this.#urgent.stop();
    this.#bulk.stop();
  }

  #hasSpokenOfEntries(): boolean {
    return this.#bulk.isOpen && this.#clock.monotonicMs() - this.#bulk.heardMs < SPOKE_LATELY_MS;
  }
}

function isBulk({ type }: PeerMessage): boolean {
  return type === "append" || type === "snapshotOffer" || type === "snapshotChunk";
}
