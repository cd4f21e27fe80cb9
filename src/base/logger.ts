/** Takes what an operator should know, one line per message, without secrets. */
export interface Logger {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** Discards all messages. */
export const silentLogger: Logger = { info() {}, warn() {}, error() {} };
