/** The Redis whose commands, replies and errors Regent gives; clients look at it for features. */
export const REDIS_VERSION = "7.0.15";

export const REGENT_VERSION = "0.1.0";

/** What one client may ask for; past a limit it gets an error that names it, or is cut off. */
export interface ClientLimits {
  /** Connections at the same time. @default 10000 */
  readonly clientsMax: number;
  /**
   * Bytes of one argument: so much goes through at the default election timeout, on two shared cores.
   *
   * @default 16 MiB
   */
  readonly bulkBytesMax: number;
  /** Bytes of one whole request. @default 64 MiB */
  readonly requestBytesMax: number;
  /** Arguments of one request: what is done with each adds up. @default 131072 */
  readonly argumentsMax: number;
  /**
   * Requests of one connection that wait for an answer; past it the socket is not read. Fewer where
   * replies are large. @default 10000
   */
  readonly pipelineMax: number;
  /**
   * Reply bytes held for a client; past it the connection is closed when nothing of them is taken for
   * 5 s, and past four times it at once. @default 256 MiB
   */
  readonly outputBytesMax: number;
  /** Bytes of requests of one connection that wait for an answer; past it, it is not read. @default 16 MiB */
  readonly pipelineBytesMax: number;
  /** The same of all connections; small requests of others pass all the same. @default 64 MiB */
  readonly inFlightBytesMax: number;
  /** Reply bytes held for all clients; past it, who has the most is cut off. @default 512 MiB */
  readonly allOutputBytesMax: number;
  /** Silence after which TCP asks whether the client is still there; 0: never. @default 300 */
  readonly tcpKeepaliveS: number;
  /** A client that asks for nothing for so long is cut off; 0: never. @default 0 */
  readonly timeoutS: number;
}

export const DEFAULT_CLIENT_LIMITS: ClientLimits = {
  clientsMax: 10_000,
  bulkBytesMax: 8 * 1024 * 1024,
  requestBytesMax: 64 * 1024 * 1024,
  argumentsMax: 128 * 1024,
  pipelineMax: 10_000,
  outputBytesMax: 256 * 1024 * 1024,
  pipelineBytesMax: 16 * 1024 * 1024,
  inFlightBytesMax: 64 * 1024 * 1024,
  allOutputBytesMax: 512 * 1024 * 1024,
  tcpKeepaliveS: 300,
  timeoutS: 0,
};
