/** What a fault takes away. The test causes it, so it need not ask anybody. */
export interface Damage {
  /** Whether packets from one machine to another are lost. @default none are */
  readonly cuts?: (from: string, to: string) => boolean;
  /** Machines whose process is dead or suspended. @default none */
  readonly down?: readonly string[];
  /** Machines that lose some of their packets. @default none */
  readonly lossy?: readonly string[];
  /** The leader, if the fault does not touch the nodes. @default any node that could lead */
  readonly leader?: string | undefined;
}

export interface Shape {
  readonly nodes: readonly string[];
  /** The name of the machine on which all clients run. */
  readonly clients: string;
}

/** The service that a client is owed under the current faults. */
export type Service = "owed" | "owed, but slow" | "not owed";

/**
 * Whether clients of this proxy have to be served. It does not depend on what nodes and proxies
 * report, only on which packets get through. They have to be served when
 * - packets pass between the clients and the proxy, both ways, and its process runs
 * - some nodes could lead: each of them exchanges packets with enough others for a majority
 * - the proxy exchanges packets with each of those that could lead, or with the leader if nothing
 *   is done to the nodes: otherwise it is not known which of them leads
 *
 * Losing some packets only costs time.
 */
export function serviceAt(proxy: string, damages: readonly Damage[], shape: Shape): Service {
  const { nodes, clients } = shape;
  const isDown = (name: string) => damages.some(({ down = [] }) => down.includes(name));
  const isCut = (from: string, to: string) =>
    damages.some(({ cuts }) => cuts !== undefined && cuts(from, to));
  const exchange = (one: string, other: string) =>
    !isDown(one) && !isDown(other) && !isCut(one, other) && !isCut(other, one);
  if (!exchange(clients, proxy)) return "not owed";
  const majority = Math.floor(nodes.length / 2) + 1;
  const ableToLead = nodes.filter((node) =>
    !isDown(node) &&
    nodes.filter((other) => other === node || exchange(node, other)).length >= majority
  );
  if (ableToLead.length === 0) return "not owed";
  const leaders = new Set(damages.map(({ leader }) => leader));
  const [leader] = leaders;
  const isKnown = leaders.size === 1 && leader !== undefined;
  const needed = isKnown ? [leader] : ableToLead;
  if (!needed.every((node) => exchange(proxy, node))) return "not owed";
  return damages.some(({ lossy = [] }) => lossy.length > 0) ? "owed, but slow" : "owed";
}
