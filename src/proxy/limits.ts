/** Bounds of a proxy; each is a flag. */
export interface ProxyLimits {
  /** Requests held while nobody can take them. @default 100000 */
  readonly holdRequestsMax: number;
  /** Their bytes. @default 64 MiB */
  readonly holdBytesMax: number;
  /** How long one of them is held. @default 5000 */
  readonly holdMsMax: number;
  /** Connections to the leader for a `WAIT` each. @default 1000 */
  readonly waitsMax: number;
  /** Requests under way on one connection to a node; the rest follows as replies return. @default 4096 */
  readonly windowRequestsMax: number;
  /** Their bytes; a single request may be larger. @default 8 MiB */
  readonly windowBytesMax: number;
  /** How long a node that is alive may take for one answer before the connection is given up. @default 30000 */
  readonly replyMsMax: number;
  /** How often nodes report when nothing changes. @default 50 */
  readonly watchIntervalMs: number;
  /** Silence after which a node is taken for dead or stopped. @default 200 */
  readonly silenceMsMax: number;
  /** One reply of a node; the client gets an error instead of a longer one. @default 256 MiB */
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
