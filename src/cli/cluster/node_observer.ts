import type { Address } from "../../platform/network.ts";
import type { PushReply, Reply } from "../../resp/reply.ts";
import { ConnectionLost, fieldsOf, RespClient } from "../resp_client.ts";

const PROBE_MS = 50;

/** Resolves when the proxy answers and knows a leader, or when `isOver` returns true. */
export async function proxyServing(address: Address, isOver: () => boolean): Promise<void> {
  while (!isOver() && !(await knowsLeader(address))) {
    await new Promise((resolve) => setTimeout(resolve, PROBE_MS));
  }
}

async function knowsLeader(address: Address): Promise<boolean> {
  try {
    const client = await RespClient.connect(address);
    try {
      return fieldsOf(await client.request(["CLUSTER", "ROLE"])).get("leader-id") !== "";
    } finally {
      client.close();
    }
  } catch (error) {
    if (error instanceof ConnectionLost) return false;
    throw error;
  }
}

const WATCH_INTERVAL_MS = 200;
/** Time in milliseconds without a report, after which a node counts as not answering. */
const SILENCE_MS = 1_000;
const RETRY_MS = 200;

/** A node's report on itself. */
export interface ObservedState {
  readonly role: string;
  readonly term: number;
  readonly leaderId: string;
  readonly isServing: boolean;
  /** Ids of the members in the newest configuration that the node knows. */
  readonly members: readonly string[];
}

export interface ObserverEvents {
  reported(id: string, state: ObservedState): void;
  /** The node has not reported for a second. Its process may still run. */
  stoppedReporting(id: string): void;
}

/** Follows one node's state, and reconnects until it is stopped. */
export class NodeObserver {
  readonly #id: string;
  readonly #address: Address;
  readonly #events: ObserverEvents;
  #client: RespClient | null = null;
  #isStopped = false;
  #isSilent = true;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #silenceTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(id: string, address: Address, events: ObserverEvents) {
    this.#id = id;
    this.#address = address;
    this.#events = events;
    this.#connect();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#silenceTimer);
    this.#client?.close();
  }

  /** To be called when the process has died, so that its silence is not reported as well. */
  died(): void {
    clearTimeout(this.#silenceTimer);
    this.#isSilent = true;
    this.#client?.close(); // reports may still be on their way
  }

  async #connect(): Promise<void> {
    try {
      const onPush = (push: PushReply) => this.#pushed(push);
      this.#client = await RespClient.connect(this.#address, { onPush });
      if (this.#isStopped) return this.#client.close();
      await this.#client.request(["HELLO", "3"]);
      await this.#client.request(["CLUSTER", "WATCH", String(WATCH_INTERVAL_MS)]);
      this.#restartSilenceTimer();
      await this.#client.ended;
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
    }
    // The end of a connection is not reported: the observer reconnects, or others report a death.
    if (!this.#isStopped) this.#retryTimer = setTimeout(() => this.#connect(), RETRY_MS);
  }

  #pushed(push: PushReply): void {
    if (this.#isStopped) return;
    const [kind, report] = push.items;
    if (kind !== "regent-state" || report === undefined) return;
    this.#isSilent = false;
    this.#restartSilenceTimer();
    const fields = fieldsOf(report);
    this.#events.reported(this.#id, {
      role: String(fields.get("role")),
      term: Number(fields.get("term")),
      leaderId: String(fields.get("leader-id")),
      isServing: fields.get("serving") === 1,
      members: textsIn(fields.get("members")),
    });
  }

  #restartSilenceTimer(): void {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => this.#silent(), SILENCE_MS);
  }

  #silent(): void {
    if (this.#isSilent || this.#isStopped) return;
    this.#isSilent = true;
    this.#events.stoppedReporting(this.#id);
  }
}

function textsIn(reply: Reply | undefined): string[] {
  return Array.isArray(reply) ? reply.map(String) : [];
}
