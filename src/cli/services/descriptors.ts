/** Number of descriptors for the thread itself, and for its connections to the nodes. */
const THREAD_DESCRIPTORS = 16;
/** Number of those of the healer: two pulls with a connection and two handles each, and the scrub. */
const HEALER_DESCRIPTORS = 8;
/** A connection for HTTP, and what is opened for its request: a file, or a connection. */
const CONNECTION_DESCRIPTORS = 2;
/** A transfer for another node: two connections, one of them idle, and two handles of its file. */
const TRANSFER_DESCRIPTORS = 4;

/** For 128 uploads of three copies, and for the connections that stay open after them. */
const UPLOADS_WANTED = 128 * 5 + 64;
/** As many as four nodes or proxies with 128 uploads each can want of one node. */
const TRANSFERS_WANTED = 512;

/** The parts of what is left after the fixed numbers, where that is not enough for all. */
const CONNECTIONS_SHARE = 0.2;
const UPLOADS_SHARE = 0.15;
const TRANSFERS_SHARE = 0.15;
/** Part of the descriptors of uploads that connections without a request may take. */
const IDLE_SHARE = 0.1;

/** How the file descriptors for HTTP and files are shared out. */
export interface ServiceDescriptors {
  /** Maximum number of connections for HTTP, and of reads and resumed uploads at the same time. */
  readonly connectionsMax: number;
  /** Number of descriptors that uploads may have together. */
  readonly uploads: number;
  /** Maximum number of connections to other nodes that stay open without a request. */
  readonly idleMax: number;
  /** Maximum number of transfers at the same time that other nodes and proxies have begun here. */
  readonly transfersMax: number;
}

/** What a process serves beside Redis clients. */
export interface ServicesWanted {
  readonly http: {
    readonly httpPort: number | "auto" | "off";
    readonly httpConnectionsMax: number;
  };
  /** Whether it holds contents of files. */
  readonly hasStorage: boolean;
}

function fixedFor({ http, hasStorage }: ServicesWanted): number {
  if (http.httpPort === "off" && !hasStorage) return 0;
  return THREAD_DESCRIPTORS + (hasStorage ? HEALER_DESCRIPTORS : 0);
}

/** All that they can use. */
function wantedFor({ http, hasStorage }: ServicesWanted): ServiceDescriptors {
  const hasHttp = http.httpPort !== "off";
  const uploads = hasHttp || hasStorage ? UPLOADS_WANTED : 0;
  return {
    connectionsMax: hasHttp ? http.httpConnectionsMax : 0,
    uploads,
    idleMax: Math.ceil(uploads * IDLE_SHARE),
    transfersMax: hasStorage ? TRANSFERS_WANTED : 0,
  };
}

function countOf({ connectionsMax, uploads, idleMax, transfersMax }: ServiceDescriptors): number {
  return CONNECTION_DESCRIPTORS * connectionsMax + uploads + idleMax +
    TRANSFER_DESCRIPTORS * transfersMax;
}

/** Number of file descriptors that the services need. */
export function descriptorsWanted(services: ServicesWanted): number {
  return fixedFor(services) + countOf(wantedFor(services));
}

/**
 * Shares out the file descriptors between Redis clients and the services.
 *
 * @param fitting number of descriptors; `Infinity` if there are enough
 * @returns with `clientsFitting`: the number of Redis clients for which there is room beside them
 */
export function shareDescriptors(
  services: ServicesWanted,
  fitting: number,
): { readonly services: ServiceDescriptors; readonly clientsFitting: number } {
  const wanted = wantedFor(services);
  const left = Math.max(0, fitting - fixedFor(services));
  const share = (wantedCount: number, part: number, each: number) =>
    wantedCount === 0 ? 0 : Math.min(wantedCount, Math.max(1, Math.floor(left * part / each)));
  const uploads = share(wanted.uploads, UPLOADS_SHARE * (1 - IDLE_SHARE), 1);
  const shared = {
    connectionsMax: share(wanted.connectionsMax, CONNECTIONS_SHARE, CONNECTION_DESCRIPTORS),
    uploads,
    idleMax: share(wanted.idleMax, UPLOADS_SHARE * IDLE_SHARE, 1),
    transfersMax: share(wanted.transfersMax, TRANSFERS_SHARE, TRANSFER_DESCRIPTORS),
  };
  return { services: shared, clientsFitting: left - countOf(shared) };
}

/** Number of connections on the files port for so many transfers. */
export function connectionsOf(transfersMax: number): number {
  return 2 * transfersMax;
}
