/** Where a part reports what an operator should know: one line each, no secrets. */
export interface Logger {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** Says nothing; for tests and for parts that have nothing to tell. */
export const silentLogger: Logger = { info() {}, warn() {}, error() {} };
