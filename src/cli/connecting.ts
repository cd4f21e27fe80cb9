import type { Logger } from "../base/logger.ts";
import { systemClock } from "../platform/clock.ts";
import { connectPlain } from "../platform/sockets.ts";
import { tlsConnect } from "../platform/tls/connect.ts";
import { TlsCredentials } from "../platform/tls/credentials.ts";
import { type Subcommand, subcommand } from "./command_line.ts";
import { setConnect } from "./connect.ts";
import { type Flags, optional, text, UsageError, type Values } from "./flags.ts";

const connectFlags = {
  tlsCa: optional(text("FILE", {
    help: "Connect with TLS, and trust the authorities whose certificates are in this file",
  })),
  tlsCert: optional(text("FILE", { help: "With --tls-ca: own certificate, in PEM" })),
  tlsKey: optional(text("FILE", { help: "With --tls-ca: key of the own certificate, in PEM" })),
} satisfies Flags;

/** A subcommand that connects to nodes or proxies, with TLS if its user says so. */
export function connectingSubcommand<F extends Flags>(definition: Subcommand<F>): Subcommand {
  return subcommand<F & typeof connectFlags>({
    ...definition,
    flags: { ...definition.flags, ...connectFlags },
    async run(values, words) {
      const credentials = credentialsOf(values as Values<typeof connectFlags>);
      if (credentials !== null) setConnect(tlsConnect({ credentials, clock: systemClock }));
      try {
        return await definition.run(values, words);
      } finally {
        credentials?.close();
        setConnect(connectPlain);
      }
    },
  });
}

const logger: Logger = {
  info() {},
  warn: (line) => console.error(`regent: ${line}`),
  error: (line) => console.error(`regent: ${line}`),
};

/** @returns `null` without TLS @throws {UsageError} when flags do not fit together */
function credentialsOf(
  { tlsCa, tlsCert, tlsKey }: Values<typeof connectFlags>,
): TlsCredentials | null {
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new UsageError("Cannot use one of --tls-cert and --tls-key without the other");
  }
  if (tlsCa === undefined) {
    if (tlsCert === undefined) return null;
    throw new UsageError("Cannot use --tls-cert without --tls-ca");
  }
  const own = tlsCert === undefined || tlsKey === undefined
    ? null
    : { certificate: tlsCert, key: tlsKey };
  return new TlsCredentials({ files: { own, authorities: tlsCa }, clock: systemClock, logger });
}
