import { formatAddress, isLoopback } from "../base/address.ts";
import { messageOf, UserError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { HttpApi } from "../http/http_api.ts";
import { StoreClient } from "../http/store_client.ts";
import { systemClock } from "../platform/clock.ts";
import { type HttpListener, listenHttp } from "../platform/http_listener.ts";
import type { Address } from "../platform/network.ts";
import { hasNoFreeDescriptors } from "../platform/process.ts";
import type { Router } from "../proxy/router.ts";
import { ErrorReply } from "../resp/reply.ts";
import { type Flag, type Flags, integer, port as portFlag, type Values } from "./flags.ts";
import { ConnectionLost, RespClient } from "./resp_client.ts";
import { clusterStatus } from "./status.ts";

/** With `auto`, the HTTP port is the client port plus this. */
export const HTTP_PORT_OFFSET = 1_000;
/** Maximum number of HTTP connections, as a share of the clients for which there is room. */
const CONNECTIONS_SHARE_MAX = 0.1;

/** `auto`: the client port plus 1000, or no port if that one is in use. */
export type HttpPort = number | "auto" | "off";

const port = portFlag({ help: "" });

const httpPort: Flag<HttpPort> = {
  placeholder: "PORT",
  help:
    "Port for HTTP, for clients that can be trusted; auto: --port + 1000, or none if that port " +
    "is in use; off: none",
  defaultValue: "off",
  isRequired: false,
  parse(value) {
    if (value === "auto" || value === "off") return value;
    try {
      return port.parse(value);
    } catch (error) {
      throw new UserError(`${messageOf(error)}, auto or off`);
    }
  },
};

/** The flags of the HTTP port, of node and proxy. */
export const httpFlags = {
  httpPort,
  httpConnectionsMax: integer("N", {
    help: "Maximum number of connections for HTTP; at most a tenth of the clients that the limit " +
      "of open files allows",
    defaultValue: 256,
    min: 1,
    max: 100_000,
  }),
} satisfies Flags;

/** Number of connections for which the HTTP port needs file descriptors. */
export function httpConnectionsWanted(
  { httpPort, httpConnectionsMax }: Values<typeof httpFlags>,
): number {
  return httpPort === "off" ? 0 : httpConnectionsMax;
}

/** `--http-connections-max`, or fewer if there are not enough file descriptors for clients. */
export function httpConnectionsThatFit(
  values: Values<typeof httpFlags>,
  clientsFitting: number,
): number {
  const share = Math.max(1, Math.floor(clientsFitting * CONNECTIONS_SHARE_MAX));
  return Math.min(httpConnectionsWanted(values), share);
}

/** What answers on the HTTP port. */
export interface HttpService {
  /** Where this process serves Redis clients. */
  readonly address: Address;
  /** Is called with the first request that needs it, and then with each. */
  readonly router: () => Router;
  /** Maximum size in bytes of a value. */
  readonly bulkBytesMax: number;
  /** @see httpConnectionsThatFit */
  readonly connectionsMax: number;
  readonly logger: Logger;
}

/**
 * Opens the HTTP port.
 *
 * @returns `null` if it is off, or with `auto` if its port is in use
 * @throws {UserError} when the port that was asked for is not available
 */
export async function startHttp(
  { httpPort, httpConnectionsMax }: Values<typeof httpFlags>,
  { address, router, bulkBytesMax, connectionsMax, logger }: HttpService,
): Promise<HttpListener | null> {
  if (httpPort === "off") return null;
  const port = httpPort === "auto" ? address.port + HTTP_PORT_OFFSET : httpPort;
  const http = new HttpApi({
    store: new StoreClient(router, systemClock),
    bodyBytesMax: bulkBytesMax,
    isLoopback: isLoopback(address.host),
    whyNotReady: () => whyNotReady(address),
    cluster: () => clusterStatus([address]),
    clock: systemClock,
    logger,
  });
  try {
    if (port > 65_535) throw new UserError(`Cannot listen on port ${port}: it is over 65535`);
    const listener = await listenHttp({
      address: { host: address.host, port },
      connectionsMax,
      handle: (request, sent) => http.handle(request, sent),
      hasNoFreeDescriptors,
      clock: systemClock,
      logger,
    });
    if (connectionsMax < httpConnectionsMax) {
      logger.warn(
        `accepts at most ${connectionsMax} connections for HTTP instead of ${httpConnectionsMax} ` +
          "(--http-connections-max), since the limit of open files (ulimit -n) allows no more",
      );
    }
    logger.info(`serves HTTP on ${formatAddress({ host: address.host, port })}`);
    return listener;
  } catch (error) {
    if (httpPort !== "auto" || !(error instanceof UserError)) throw error;
    logger.warn(`serves no HTTP: ${error.message}; --http-port chooses another port, or off`);
    return null;
  }
}

/** Asks this process for a linearizable read, as a client does. */
async function whyNotReady(address: Address): Promise<string | null> {
  try {
    const client = await RespClient.connect(address);
    try {
      const reply = await client.request(["EXISTS", ""]);
      return reply instanceof ErrorReply ? reply.text.replace(/^[A-Z]+ /, "") : null;
    } finally {
      client.close();
    }
  } catch (error) {
    if (error instanceof ConnectionLost) return error.message;
    throw error;
  }
}
