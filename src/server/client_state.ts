import { ClientOrder } from "../node/clients/request.ts";

/** What the node keeps of one client beyond its connection. */
export class ClientState {
  readonly order = new ClientOrder();
  /** A request was refused behind the fence: nothing that follows it may be executed. */
  hasRefused = false;
  #fenceTerm: number | null = null;

  /** Set by `CLUSTER FENCE`: data commands are taken only while this node leads in that term. */
  get fenceTerm(): number | null {
    return this.#fenceTerm;
  }

  set fenceTerm(term: number | null) {
    this.#fenceTerm = term;
    this.hasRefused = false;
  }

  /** As when the client came. Its requests under way keep their order. */
  reset(): void {
    this.fenceTerm = null;
  }
}
