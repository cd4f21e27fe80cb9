/**
 * Limits for clients. A client that exceeds one gets an error that names it, or is disconnected.
 */
export interface ClientLimits {
  /** Maximum number of connections. @default 10000 */
  readonly clientsMax: number;
  /**
   * Maximum bytes of one argument. A write of the default size causes no election at the default
   * election timeout, measured on two shared cores.
   *
   * @default 8 MiB
   */
  readonly bulkBytesMax: number;
  /** Maximum bytes of one request. @default 64 MiB */
  readonly requestBytesMax: number;
  /** Maximum number of arguments of one request. @default 131072 */
  readonly argumentsMax: number;
  /**
   * Maximum number of unanswered requests of one connection, at which its socket is not read. While
   * replies are large, the number is lower.
   *
   * @default 10000
   */
  readonly pipelineMax: number;
  /**
   * Bytes of replies held for a client, above which it is disconnected when it takes none of them
   * for 5 s. At four times as many it is disconnected at once.
   *
   * @default 256 MiB
   */
  readonly outputBytesMax: number;
  /** Bytes of unanswered requests of one connection, above which it is not read. @default 16 MiB */
  readonly pipelineBytesMax: number;
  /**
   * Bytes of unanswered requests of all connections, above which only clients with few bytes in
   * flight are read.
   *
   * @default 64 MiB
   */
  readonly inFlightBytesMax: number;
  /**
   * Bytes of replies held for all clients, above which the one with most is disconnected.
   *
   * @default 512 MiB
   */
  readonly allOutputBytesMax: number;
  /** Silence in s after which TCP probes whether the client is alive; 0: never. @default 300 */
  readonly tcpKeepaliveS: number;
  /** Time in s without a request after which a client is disconnected; 0: never. @default 0 */
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
