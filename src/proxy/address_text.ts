import type { Address } from "../node/network.ts";

/** Reads `host:port`, an IPv6 host in brackets or not, an IPv4 host in IPv6 clothes as what it is; `null` when it is neither that nor a possible port. */
export function parseAddressText(text: string): Address | null {
  const colon = text.lastIndexOf(":");
  const host = text.slice(0, colon).replace(/^\[(.*)\]$/, "$1").replace(/^::ffff:/i, "");
  const port = Number(text.slice(colon + 1));
  const isValid = colon > 0 && Number.isInteger(port) && port > 0 && port < 65_536;
  return isValid ? { host, port } : null;
}

export function addressText({ host, port }: Address): string {
  return `${host}:${port}`;
}
