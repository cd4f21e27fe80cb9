import type { Logger } from "../../base/logger.ts";

const encoder = new TextEncoder();

/** Writes `time level name: message`, a line each, to standard error. */
export function stderrLogger(name: string): Logger {
  const write = (level: string, message: string) => {
    const line = `${new Date().toISOString()} ${level} ${name}: ${message.replaceAll("\n", " ")}\n`;
    try {
      Deno.stderr.writeSync(encoder.encode(line));
    } catch {
      // Whoever read our lines is gone; that must not end the service.
    }
  };
  return {
    info: (message) => write("info", message),
    warn: (message) => write("warn", message),
    error: (message) => write("error", message),
  };
}
