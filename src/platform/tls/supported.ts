import { UserError } from "../../base/errors.ts";

/**
 * Checks that this runtime has what TLS needs here. Deno 2.6 cannot show the bytes of a certificate,
 * and its `node:tls` verifies no clients.
 *
 * @throws {UserError} when it has not
 */
export function requireTlsSupport(version = Deno.version.deno): void {
  if (/^2\.[0-8]\./.test(version)) {
    throw new UserError(
      `Cannot use TLS: it needs Deno 2.9 or later: current version is ${version}`,
    );
  }
}
