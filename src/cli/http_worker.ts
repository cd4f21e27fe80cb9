// Runs in a thread of its own: what this module imports has no state in common with the main thread.
import { formatAddress, isLoopback } from "../base/address.ts";
import { type Logger, silentLogger } from "../base/logger.ts";
import { HttpApi } from "../http/http_api.ts";
import { StoreClient } from "../http/store_client.ts";
import { shareSuspicion } from "../platform/acceptor.ts";
import { systemClock } from "../platform/clock.ts";
import { type HttpListener, listenHttp } from "../platform/http_listener.ts";
import type { Address } from "../platform/network.ts";
import { hasNoFreeDescriptors, stderrLogger } from "../platform/process.ts";
import { serveInThread, type ThreadService } from "../platform/service_thread.ts";
import { tcpNetwork } from "../platform/tcp_network.ts";
import { ProxyCore } from "../proxy/proxy.ts";
import { ErrorReply, type Reply } from "../resp/reply.ts";
import { ConnectionLost, RespClient } from "./resp_client.ts";
import { clusterStatus } from "./status.ts";

/** Plain data, for the first message to the thread. */
export interface HttpWorkerOptions {
  /** The name of the process in its log. */
  readonly name: string;
  /** Where this process serves Redis clients. */
  readonly clientAddress: Address;
  /** Nodes to connect to first. */
  readonly seeds: readonly Address[];
  /** Where to serve HTTP. */
  readonly address: Address;
  readonly connectionsMax: number;
  /** Maximum size in bytes of a value. */
  readonly bulkBytesMax: number;
  /** @see shareSuspicion */
  readonly suspicion: SharedArrayBuffer;
}

serveInThread(start);

/** Builds the parts from the bottom up, and starts them. */
async function start(
  { name, clientAddress, seeds, address, connectionsMax, bulkBytesMax, suspicion }:
    HttpWorkerOptions,
): Promise<ThreadService<null>> {
  shareSuspicion(suspicion);
  const logger = stderrLogger(name);
  // Many processes are never asked for keys over HTTP, and need no connections to nodes for that.
  let core: ProxyCore | null = null;
  const router = () => (core ??= startRouting(seeds, logger)).router;
  const http = new HttpApi({
    store: new StoreClient(router, systemClock),
    bodyBytesMax: bulkBytesMax,
    isLoopback: isLoopback(address.host),
    whyNotReady: () => whyNotReady(clientAddress),
    cluster: () => clusterStatus([clientAddress]),
    info: () => infoOf(clientAddress),
    connections: () => listener.connections,
    clock: systemClock,
    logger,
  });
  const listener: HttpListener = await listenHttp({
    address,
    connectionsMax,
    handle: (request, sent) => http.handle(request, sent),
    refuse: (refusal) => http.refuse(refusal),
    hasNoFreeDescriptors,
    clock: systemClock,
    logger,
  });
  logger.info(`serves HTTP on ${formatAddress(address)}`);
  return {
    started: null,
    stop() {
      listener.close();
      core?.stop();
    },
  };
}

function startRouting(seeds: readonly Address[], logger: Logger): ProxyCore {
  const core = new ProxyCore({
    seeds,
    network: tcpNetwork,
    clock: systemClock,
    random: Math.random,
    // The main thread tells of leaders.
    logger: { ...silentLogger, error: (line) => logger.error(line) },
  });
  core.start();
  return core;
}

/** Asks this process for a linearizable read, as a client does. */
async function whyNotReady(address: Address): Promise<string | null> {
  const reply = await ask(address, ["EXISTS", ""]);
  if (reply instanceof ConnectionLost) return reply.message;
  return reply instanceof ErrorReply ? reply.text.replace(/^[A-Z]+ /, "") : null;
}

async function infoOf(address: Address): Promise<string | null> {
  const reply = await ask(address, ["INFO"]);
  return typeof reply === "string" ? reply : null;
}

/** Sends one request. @returns the loss of the connection in place of a reply */
async function ask(address: Address, args: readonly string[]): Promise<Reply | ConnectionLost> {
  try {
    const client = await RespClient.connect(address);
    try {
      return await client.request(args);
    } finally {
      client.close();
    }
  } catch (error) {
    if (error instanceof ConnectionLost) return error;
    throw error;
  }
}
