/** Receives messages for the operator. A message is one line, and contains no secrets. */
export interface Logger {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** Discards all messages. */
export const silentLogger: Logger = { info() {}, warn() {}, error() {} };
