/** Bounds of a proxy. Each is a flag. */
export interface ProxyLimits {
  /** Maximum number of requests held while no node can take them. @default 100000 */
  readonly holdRequestsMax: number;
  /** Maximum bytes of the requests held. @default 64 MiB */
  readonly holdBytesMax: number;
  /** How long a request is held before it is answered with an error, in ms. @default 5000 */
  readonly holdMsMax: number;
  /** Maximum number of connections to the leader that carry one `WAIT` each. @default 1000 */
  readonly waitsMax: number;
  /** Maximum number of requests in flight on one connection to a node. @default 4096 */
  readonly windowRequestsMax: number;
  /** Maximum bytes in flight on it; a single request may be larger. @default 8 MiB */
  readonly windowBytesMax: number;
  /**
   * How long a live node may take to answer before its connection is closed, in ms.
   *
   * @default 30000
   */
  readonly replyMsMax: number;
  /** How often nodes report their state when nothing changes, in ms. @default 50 */
  readonly watchIntervalMs: number;
  /** Silence after which a node counts as dead or stopped, in ms. @default 200 */
  readonly silenceMsMax: number;
  /**
   * Maximum bytes of a reply; the client gets an error instead of a longer one.
   *
   * @default 256 MiB
   */
  readonly replyBytesMax: number;
}

export const DEFAULT_PROXY_LIMITS: ProxyLimits = {
  holdRequestsMax: 100_000,
  holdBytesMax: 64 * 1024 * 1024,
  holdMsMax: 5_000,
  waitsMax: 1_000,
  windowRequestsMax: 4_096,
  windowBytesMax: 8 * 1024 * 1024,
  replyMsMax: 30_000,
  watchIntervalMs: 50,
  silenceMsMax: 200,
  replyBytesMax: 256 * 1024 * 1024,
};
