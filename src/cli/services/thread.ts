// Runs in a thread of its own: what this module imports has no state in common with the main thread.
import type { ClusterSecret } from "../../access/peer_proof.ts";
import { formatAddress, isLoopback } from "../../base/address.ts";
import { UserError } from "../../base/errors.ts";
import { type Logger, silentLogger } from "../../base/logger.ts";
import { type CutOff, CutOffView } from "../../faults/cut_off.ts";
import { FaultyNetwork } from "../../faults/faulty_network.ts";
import { HttpApi } from "../../http/http_api.ts";
import { Page } from "../../http/page.ts";
import { StoreClient } from "../../http/store_client.ts";
import { shareSuspicion } from "../../platform/acceptor.ts";
import { systemClock } from "../../platform/clock.ts";
import { type HttpListener, listenHttp } from "../../platform/http_listener.ts";
import type { Address, Network } from "../../platform/network.ts";
import { runInBackground, stderrLogger } from "../../platform/process.ts";
import { serveInThread, type ThreadService } from "../../platform/service_thread.ts";
import { ProxyCore } from "../../proxy/proxy.ts";
import { ErrorReply, type Reply } from "../../resp/reply.ts";
import { PAGE } from "../../web/page.ts";
import { secretOf } from "../cluster_secret.ts";
import { ConnectionLost, RespClient, useCredentials } from "../resp_client.ts";
import { clusterStatus } from "../status.ts";
import { type Links, openLinks, type TlsSettings } from "../tls.ts";
import type { ServiceDescriptors } from "./descriptors.ts";
import { type FilesHandle, type FilesStorageOptions, startFiles } from "./files.ts";
import { memberFaults } from "./member_faults.ts";

/** Plain data, for the first message to the thread. */
export interface ThreadOptions {
  /** The name of the process in its log. */
  readonly name: string;
  /** Where this process serves Redis clients. */
  readonly clientAddress: Address;
  /** Nodes to connect to first. */
  readonly seeds: readonly Address[];
  /** `null`: it serves no HTTP. */
  readonly http: HttpOptions | null;
  /** Number of copies of files for which none is given. */
  readonly copies: number;
  /** `null` for a proxy, which holds no contents. */
  readonly storage: FilesStorageOptions | null;
  readonly descriptors: ServiceDescriptors;
  /** The secret of the cluster, by which this thread proves itself; `null` if it has none. */
  readonly secret: string | null;
  /** @see shareSuspicion */
  readonly suspicion: SharedArrayBuffer;
  /** `null` without TLS. */
  readonly tls: TlsSettings | null;
  /** Whether the node fails on purpose when it is told to. Then the thread is told, too. */
  readonly obeysFaults: boolean;
}

export interface HttpOptions {
  /** Where to serve HTTP. */
  readonly address: Address;
  /** Whether the rest goes on without HTTP when the address is not available. */
  readonly isOptional: boolean;
  /** Maximum size in bytes of a value. */
  readonly bulkBytesMax: number;
}

serveInThread(start);

/** Builds the parts from the bottom up, and starts them. */
async function start(options: ThreadOptions): Promise<ThreadService<null>> {
  const { name, clientAddress, seeds, http, copies, storage, descriptors } = options;
  const secret = secretOf(options.secret);
  useCredentials({ secret, user: null });
  runInBackground(); // heartbeats and Redis clients come first
  shareSuspicion(options.suspicion);
  const logger = stderrLogger(name);
  // A proxy without HTTP, or one that is never asked for anything by HTTP, needs no connections.
  let core: ProxyCore | null = null;
  const links = openLinks(options.tls, logger);
  const cutOff = options.obeysFaults ? new CutOffView() : null;
  const plainOrTls = links.network();
  const network = cutOff === null ? plainOrTls : new FaultyNetwork(plainOrTls, {
    isSilent: (remote) =>
      !cutOff.isEmpty && remote !== formatAddress(clientAddress) &&
      cutOff.isIsolated(nodeAt(core, remote)),
    watch: (changed) => cutOff.watch(changed),
  });
  const routing = () => core ??= startRouting(seeds, { network, secret, logger });
  const store = new StoreClient(() => routing().router, systemClock);
  const filesHandle = await startFiles({
    clientAddress,
    copies,
    storage,
    descriptors,
    send: (args) => store.send(args),
    clusterId: () => storage?.clusterId ?? clusterIdOf(routing()),
    links,
    cutOff,
    logger,
  });
  let listener: HttpListener | null = null;
  try {
    if (http !== null) {
      listener = await serveHttp(options, http, { store, filesHandle, links, logger });
    }
  } catch (error) {
    await filesHandle.stop();
    throw error;
  }
  return {
    started: null,
    update: (news) => cutOff?.update(news as CutOff),
    async stop() {
      listener?.close();
      await filesHandle.stop();
      core?.stop();
    },
  };
}

interface HttpParts {
  readonly store: StoreClient;
  readonly filesHandle: FilesHandle;
  readonly links: Links;
  readonly logger: Logger;
}

/** @returns `null` if the address is not available, and HTTP is optional */
async function serveHttp(
  { clientAddress, descriptors: { connectionsMax } }: ThreadOptions,
  { address, isOptional, bulkBytesMax }: HttpOptions,
  { store, filesHandle: { files, uploads }, links, logger }: HttpParts,
): Promise<HttpListener | null> {
  let listener: HttpListener | null = null;
  const http = new HttpApi({
    store,
    files,
    uploads,
    faults: memberFaults(clientAddress),
    page: new Page(PAGE),
    bodyBytesMax: bulkBytesMax,
    isLoopback: isLoopback(address.host),
    whyNotReady: shared(() => whyNotReady(clientAddress)),
    cluster: shared(() => clusterStatus([clientAddress])),
    info: shared(() => infoOf(clientAddress)),
    connections: () => listener?.connections ?? 0,
    clock: systemClock,
    logger,
  });
  try {
    if (address.port > 65_535) {
      throw new UserError(`Cannot listen on port ${address.port}: it is over 65535`);
    }
    listener = await listenHttp({
      address,
      connectionsMax,
      handle: (request, sent) => http.handle(request, sent),
      refuse: (refusal) => http.refuse(refusal),
      gate: links.gate({ port: "the port for HTTP", connectionsMax }),
      clock: systemClock,
      logger,
    });
    logger.info(`serves HTTP on ${formatAddress(address)}`);
    return listener;
  } catch (error) {
    if (!isOptional || !(error instanceof UserError)) throw error;
    logger.warn(`serves no HTTP: ${error.message}; --http-port chooses another port, or off`);
    return null;
  }
}

/**
 * Looks once for all who ask while a look is under way, so that few connections are open for that,
 * however many ask.
 */
function shared<T>(look: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | null = null;
  return () => running ??= look().finally(() => running = null);
}

/**
 * How this thread watches the nodes: a fifth as often as a proxy for Redis clients does, so that
 * nodes which are not asked for anything have little to do. HTTP takes up to a second longer to
 * notice that a node is silent.
 */
const CALM_WATCH = { watchIntervalMs: 250, silenceMsMax: 1_000 };

function startRouting(
  seeds: readonly Address[],
  { network, secret, logger }: {
    readonly network: Network;
    readonly secret: ClusterSecret | null;
    readonly logger: Logger;
  },
): ProxyCore {
  const core = new ProxyCore({
    seeds,
    secret,
    network,
    clock: systemClock,
    random: Math.random,
    limits: CALM_WATCH,
    // The main thread tells of leaders.
    logger: { ...silentLogger, error: (line) => logger.error(line) },
  });
  core.start();
  return core;
}

/** The id of the node that serves clients at an address, as far as any node has said. */
function nodeAt(core: ProxyCore | null, address: string): string | null {
  for (const { state } of core?.topology.nodes ?? []) {
    for (const [id, at] of state?.addresses ?? []) if (at === address) return id;
  }
  return null;
}

/** The id of the cluster; "" while no node has said it. */
function clusterIdOf({ topology }: ProxyCore): string {
  for (const { state } of topology.nodes) {
    if (state !== null && state.clusterId !== "") return state.clusterId;
  }
  return "";
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
