import type { Random } from "../base/random.ts";
import type { Clock } from "../node/clock.ts";
import type { Address, Network, Stream } from "../node/network.ts";
import { decodeReply } from "../resp/decode_reply.ts";
import { encodeRequest } from "../resp/encode.ts";
import { ReplyScanner } from "../resp/reply_scanner.ts";
import { Backoff } from "./backoff.ts";
import { type NodeState, parseNodeState } from "./node_state.ts";

/** Silence after which a watching connection is replaced: the machine may have vanished. */
const REPLACE_AFTER_MS = 1_000;
/** A state is small; a node that sends more is no node. */
const REPLY_BYTES_MAX = 1024 * 1024;

export interface WatcherOptions {
  readonly address: Address;
  readonly intervalMs: number;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: WatcherEvents;
}

export interface WatcherEvents {
  /** Why a node that reports this is none of ours; `null` when it is. */
  objection(state: NodeState): string | null;
  reported(state: NodeState): void;
  disconnected(): void;
  /** The other side is not what it should be; told once for each reason. */
  refused(reason: string): void;
}

/** The connection over which one node tells of its state; opened again whenever it ends. */
export class Watcher {
  readonly #options: WatcherOptions;
  readonly #backoff: Backoff;
  #stream: Stream | null = null;
  /** How long nothing came, in time that this process was awake. */
  #silentMs = 0;
  #refusal = "";

  constructor(options: WatcherOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.random);
    this.#open();
  }

  /**
   * Opens what is closed and due, and replaces what has been silent for long.
   *
   * @param awakeMs how long this process was awake since the last time
   */
  tick(nowMs: number, awakeMs: number): void {
    this.#silentMs += awakeMs;
    if (this.#stream !== null && this.#silentMs > REPLACE_AFTER_MS) this.#end();
    if (this.#stream === null && nowMs >= this.#backoff.notBeforeMs) this.#open();
  }

  close(): void {
    this.#stream?.close();
    this.#stream = null;
  }

  #open(): void {
    const { address, network } = this.#options;
    const scanner = new ReplyScanner({ replyBytesMax: REPLY_BYTES_MAX });
    this.#silentMs = 0;
    const stream = network.connect(address, {
      onOpen: () => this.#greet(stream),
      onData: (bytes) => this.#received(scanner, bytes),
      onClose: () => this.#end(),
    });
    this.#stream = stream;
  }

  #greet(stream: Stream): void {
    const watch = ["CLUSTER", "WATCH", String(this.#options.intervalMs)];
    stream.write(encodeRequest(["HELLO", "3"]) + encodeRequest(watch));
  }

  #received(scanner: ReplyScanner, bytes: Uint8Array): void {
    this.#silentMs = 0;
    scanner.push(bytes);
    for (;;) {
      const scanned = scanner.next();
      if (scanned.kind === "incomplete") return;
      if (scanned.kind === "invalid") return this.#refuse(`sent what is no RESP: ${scanned.error}`);
      if (scanned.text.startsWith("-")) return this.#refuse(scanned.text.slice(1).trimEnd());
      if (!scanned.text.startsWith(">")) continue;
      const state = stateIn(scanned.text);
      if (state === null) return this.#refuse("sent a state that cannot be read");
      const objection = this.#options.events.objection(state);
      if (objection !== null) return this.#refuse(objection);
      this.#backoff.succeeded();
      this.#refusal = "";
      this.#options.events.reported(state);
      if (this.#stream === null) return;
    }
  }

  #refuse(reason: string): void {
    if (reason !== this.#refusal) this.#options.events.refused(reason);
    this.#refusal = reason;
    this.#end();
  }

  #end(): void {
    this.close();
    this.#backoff.failed(this.#options.clock.monotonicMs());
    this.#options.events.disconnected();
  }
}

function stateIn(text: string): NodeState | null {
  try {
    return parseNodeState(decodeReply(text));
  } catch {
    return null; // well-formed by its lengths, but not by what is in it
  }
}
