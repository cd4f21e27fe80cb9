import type { Logger } from "../../base/logger.ts";

const encoder = new TextEncoder();

/** Messages repeat what strangers sent: no line breaks, and nothing that a terminal would obey. */
function printable(message: string): string {
  return message.replace(
    // deno-lint-ignore no-control-regex -- these are what is to be kept out
    /[\x00-\x1f\x7f-\x9f]/g,
    (char) => char === "\n" ? " " : `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/** Writes `time level name: message`, a line each, to standard error. */
export function stderrLogger(name: string): Logger {
  const write = (level: string, message: string) => {
    const line = `${new Date().toISOString()} ${level} ${name}: ${printable(message)}\n`;
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
