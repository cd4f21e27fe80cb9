import type { Cancel, Clock } from "../../platform/clock.ts";
import type { Address } from "../../platform/network.ts";
import { ErrorReply, MapReply } from "../../resp/reply.ts";
import { ConnectionLost, fieldsOf, RespClient } from "../resp_client.ts";

/** Interval in milliseconds at which the node is asked. */
const LOOK_MS = 1_000;

/** What another thread knows of its own node: it asks at the node's port, as a client does. */
export class OwnNodeWatch {
  readonly #address: Address;
  readonly #clock: Clock;
  #client: RespClient | null = null;
  #cancel: Cancel = () => {};
  #isStopped = false;
  /** Whether the node leads, as it last said. */
  isLeader = false;
  /** The ids of the cluster's members; `null` while the node does not say. */
  members: readonly string[] | null = null;

  constructor(address: Address, clock: Clock) {
    this.#address = address;
    this.#clock = clock;
  }

  start(): void {
    void this.#look();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
    this.#client?.close();
  }

  async #look(): Promise<void> {
    try {
      const client = this.#client ??= await RespClient.connect(this.#address);
      const role = await client.request(["CLUSTER", "ROLE"]);
      const members = await client.request(["CLUSTER", "MEMBERS"]);
      this.isLeader = !(role instanceof ErrorReply) && fieldsOf(role).get("role") === "leader";
      const isKnown = members instanceof MapReply || Array.isArray(members);
      this.members = isKnown ? [...fieldsOf(members).keys()].map(String) : null;
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      this.#client?.close();
      this.#client = null;
      this.isLeader = false;
      this.members = null;
    }
    if (this.#isStopped) this.#client?.close(); // which was being opened meanwhile
    else this.#cancel = this.#clock.after(LOOK_MS, () => void this.#look());
  }
}
