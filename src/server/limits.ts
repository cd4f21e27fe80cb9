/** What one client may ask for; past a limit it gets an error that names it, or is cut off. */
export interface ClientLimits {
  /** Connections at the same time. @default 10000 */
  readonly clientsMax: number;
  /** Bytes of one argument. @default 32 MiB */
  readonly bulkBytesMax: number;
  /** Bytes of one whole request. @default 64 MiB */
  readonly requestBytesMax: number;
  /** Arguments of one request. @default 1048576, as in Redis */
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
}

export const DEFAULT_CLIENT_LIMITS: ClientLimits = {
  clientsMax: 10_000,
  bulkBytesMax: 32 * 1024 * 1024,
  requestBytesMax: 64 * 1024 * 1024,
  argumentsMax: 1024 * 1024,
  pipelineMax: 10_000,
  outputBytesMax: 256 * 1024 * 1024,
};
