const NO_TLS = "the other side speaks no TLS";
const STRANGER = "its certificate is not from an authority that is known here, or not for this use";
const NOTHING_IN_COMMON = "both sides have no version or cipher of TLS in common";
const UNKNOWN_THERE = "the other side refuses the certificate shown to it";

const WITHOUT_TLS = /InvalidContentType|wrong version number/;
const CUT_SHORT = /disconnected before secure TLS/;

/** What the runtime's messages mean to an operator. */
const REASONS: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [
    /unable to (verify the first|get (local )?issuer) certificate|self-signed certificate/,
    STRANGER,
  ],
  [/certificate has expired/, "its certificate has expired"],
  [/certificate is not yet valid/, "its certificate is not valid yet"],
  [WITHOUT_TLS, NO_TLS],
  [/alert: (UnknownCA|BadCertificate|Certificate[A-Za-z]+|UnsupportedCertificate)/, UNKNOWN_THERE],
  [CUT_SHORT, "closed by the other side within the TLS handshake"],
  [/peer is incompatible|alert: (ProtocolVersion|HandshakeFailure)/, NOTHING_IN_COMMON],
];

/** Why a TLS connection failed; a message that is not about TLS stays as it is. */
export function tlsReason(message: string): string {
  return REASONS.find(([pattern]) => pattern.test(message))?.[1] ?? message;
}

/**
 * Whether the other side may speak no TLS: it answers something else, or closes the connection when
 * it sees the beginning of a handshake.
 */
export function isWithoutTls(message: string): boolean {
  return WITHOUT_TLS.test(message) || CUT_SHORT.test(message) || /ECONNRESET/.test(message);
}
