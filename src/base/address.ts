/** A network address. */
export interface Address {
  /** A name, an IPv4 address, or an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
}

/**
 * A host name or an IPv4 address. It has none of the characters that separate fields in
 * `CLUSTER NODES` or `--peers`.
 */
const NAME = /^[^\s:[\]@=,]{1,255}$/;

/**
 * Parses `HOST:PORT`. An IPv6 host may be in brackets, as in URLs, or bare, as in Redis's replies.
 * In the bare form the last colon separates the port.
 *
 * @returns `null` when the text is not an address
 */
export function parseAddress(text: string): Address | null {
  const [, hostText = "", portText = ""] = /^(.+):([0-9]{1,5})$/s.exec(text) ?? [];
  const host = parseHost(hostText);
  const port = Number(portText);
  return host === null || !isPort(port) ? null : { host, port };
}

/** Parses a host, an IPv6 address with or without brackets; `null` when the text is not a host. */
export function parseHost(text: string): string | null {
  const bare = /^\[(.*)\]$/s.exec(text)?.[1];
  if (bare !== undefined) return isIPv6(bare) ? plainHost(bare) : null;
  return NAME.test(text) || isIPv6(text) ? plainHost(text) : null;
}

/** Turns an IPv4 address that a dual-stack socket shows as IPv6 (`::ffff:10.0.0.1`) into IPv4. */
export function plainHost(host: string): string {
  return host.replace(/^::ffff:(?=[0-9]+\.)/i, "");
}

/** Formats an address for people and for Regent's own commands: an IPv6 host in brackets. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Formats an address as `MOVED` and `CLUSTER NODES` of Redis do: without brackets. */
export function formatRedisAddress({ host, port }: Address): string {
  return `${host}:${port}`;
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port > 0 && port < 65_536;
}

/** Whether the text is an IPv6 address, with or without a zone. */
function isIPv6(text: string): boolean {
  // The last two groups may be written as IPv4.
  const groupsOnly = text.replace(/%[\w.-]+$/, "")
    .replace(/(^|:)((25[0-5]|2[0-4]\d|1?\d?\d)(\.(?!$)|$)){4}$/, "$10:0");
  const parts = groupsOnly.split("::");
  const groups = parts.flatMap((part) => part === "" ? [] : part.split(":"));
  const areGroups = groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group));
  return areGroups &&
    (parts.length === 2 ? groups.length < 8 : parts.length === 1 && groups.length === 8);
}

/** Whether only this machine can reach the host. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.[0-9.]+$/.test(host);
}
