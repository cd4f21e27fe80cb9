import { cannotListen, errorOf, messageOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { suspectAcceptors } from "./acceptor.ts";
import { type ByteChannel, TcpChannel } from "./byte_channel.ts";
import type { Clock } from "./clock.ts";
import type { Address } from "./network.ts";

/** Maximum number of connections that wait to be accepted, if the kernel allows as many. */
const BACKLOG = 4_096;
/** Pause in milliseconds after a connection could not be accepted. */
const PAUSE_MS = 100;
/** Time in milliseconds for which a port may still be held that this process has just closed. */
const CLOSING_MS_MAX = 2_000;
const TRY_AGAIN_MS = 10;

export interface ChannelListenerOptions {
  /** Port 0 takes any free one. */
  readonly address: Address;
  readonly accepted: (channel: ByteChannel) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Accepts connections as channels. It goes on when descriptors have run out and are free again.
 * Established connections stay open meanwhile.
 */
export class ChannelListener {
  readonly #listener: Deno.TcpListener;
  readonly #options: ChannelListenerOptions;
  readonly port: number;
  #isClosed = false;

  private constructor(listener: Deno.TcpListener, options: ChannelListenerOptions) {
    this.#listener = listener;
    this.#options = options;
    this.port = listener.addr.port;
    void this.#run();
  }

  /** @throws {UserError} when the address is not available */
  static async open(options: ChannelListenerOptions): Promise<ChannelListener> {
    const { address: { host, port }, clock } = options;
    const untilMs = (closedMs.get(port) ?? -Infinity) + CLOSING_MS_MAX;
    for (;;) {
      try {
        const listener = Deno.listen({ hostname: host, port, tcpBacklog: BACKLOG });
        return new ChannelListener(listener, options);
      } catch (error) {
        const isInUse = error instanceof Deno.errors.AddrInUse;
        if (!isInUse || clock.monotonicMs() > untilMs) {
          const code = isInUse ? { code: "EADDRINUSE" } : {};
          throw cannotListen({ host, port }, Object.assign(errorOf(error), code));
        }
        await pause(clock, TRY_AGAIN_MS);
      }
    }
  }

  /** Stops accepting. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closedMs.set(this.port, this.#options.clock.monotonicMs());
    this.#listener.close();
  }

  async #run(): Promise<void> {
    const { accepted, clock, logger } = this.#options;
    let hasFailed = false;
    while (!this.#isClosed) {
      try {
        const connection = await this.#listener.accept();
        if (hasFailed) logger.info("connections are accepted again");
        hasFailed = false;
        accepted(new TcpChannel(connection));
      } catch (error) {
        if (this.#isClosed) return;
        // Without descriptors, each attempt fails until others are closed.
        if (!hasFailed) logger.warn(`cannot accept connections: ${messageOf(error)}`);
        hasFailed = true;
        suspectAcceptors();
        await pause(clock, PAUSE_MS);
      }
    }
  }
}

/** By port: when this process last closed a listener, in monotonic milliseconds. */
const closedMs = new Map<number, number>();

function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.after(delayMs, resolve));
}
