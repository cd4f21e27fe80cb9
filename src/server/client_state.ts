import { ClientOrder } from "../node/clients/request.ts";

/** What a node knows of one client beyond its connection. */
export class ClientState {
  readonly order = new ClientOrder();
  /** Whether a request was refused under the fence, so that none that follows may be executed. */
  hasRefused = false;
  #fenceTerm: number | null = null;

  /** Set by `CLUSTER FENCE`: data commands are accepted only while this node leads in that term. */
  get fenceTerm(): number | null {
    return this.#fenceTerm;
  }

  set fenceTerm(term: number | null) {
    this.#fenceTerm = term;
    this.hasRefused = false;
  }

  /** Resets it as for a new client. Requests in flight keep their order. */
  reset(): void {
    this.fenceTerm = null;
  }
}
