import { ClientOrder } from "../node/request.ts";

/** What the node keeps of one client beyond its connection. */
export class Session {
  readonly order = new ClientOrder();
  /** Set by `CLUSTER FENCE`: data commands are taken only while this node leads in that term. */
  fenceTerm: number | null = null;
}
