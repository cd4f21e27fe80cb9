import { messageOf, UserError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { sharedSuspicion } from "../../platform/acceptor.ts";
import { systemClock } from "../../platform/clock.ts";
import type { Address } from "../../platform/network.ts";
import { ServiceThread } from "../../platform/service_thread.ts";
import { type Flag, type Flags, integer, port as portFlag, type Values } from "../flags.ts";
import type { FilesStorageOptions } from "./files.ts";
import type { ThreadOptions } from "./thread.ts";

/** With `auto`, the HTTP port is the client port plus this. */
export const HTTP_PORT_OFFSET = 1_000;
/** Maximum number of HTTP connections, as a share of the clients for which there is room. */
const CONNECTIONS_SHARE_MAX = 0.1;
/** Number of file descriptors for the thread itself, and for its connections to nodes. */
const THREAD_DESCRIPTORS = 16;

/** `auto`: the client port plus 1000, or no port if that one is in use. */
export type HttpPort = number | "auto" | "off";

const port = portFlag({ help: "" });

const httpPort: Flag<HttpPort> = {
  placeholder: "PORT",
  help: "Port for HTTP; auto: --port + 1000, or none if that port is in use; off: none",
  defaultValue: "auto",
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

/** Number of file descriptors that serving HTTP needs. */
export function httpDescriptorsWanted(
  { httpPort, httpConnectionsMax }: Values<typeof httpFlags>,
): number {
  return httpPort === "off" ? 0 : httpConnectionsMax + THREAD_DESCRIPTORS;
}

/**
 * Shares out the clients that the file descriptors allow.
 *
 * @returns `connectionsMax`: `--http-connections-max`, or fewer if there is no room for so many;
 *   `clientsFitting`: number of Redis clients for which there is room beside them
 */
export function httpShare(
  values: Values<typeof httpFlags>,
  fitting: number,
): { readonly connectionsMax: number; readonly clientsFitting: number } {
  if (values.httpPort === "off") return { connectionsMax: 0, clientsFitting: fitting };
  const share = Math.max(1, Math.floor(fitting * CONNECTIONS_SHARE_MAX));
  const connectionsMax = Math.min(values.httpConnectionsMax, share);
  return { connectionsMax, clientsFitting: fitting - connectionsMax - THREAD_DESCRIPTORS };
}

/** What a process has for the services beside its Redis port. */
export interface ServiceOptions {
  /** The name of the process in its log. */
  readonly name: string;
  /** Where this process serves Redis clients. */
  readonly address: Address;
  /** Nodes to which requests are sent; one is enough to find the others. */
  readonly seeds: readonly Address[];
  /** Maximum size in bytes of a value. */
  readonly bulkBytesMax: number;
  /** @see httpShare */
  readonly connectionsMax: number;
  /** Number of copies of files for which none is given. */
  readonly copies: number;
  /** `null` for a proxy, which holds no contents. */
  readonly storage: FilesStorageOptions | null;
  /** The secret of the cluster; `null` if this process has none. */
  readonly secret: string | null;
  readonly logger: Logger;
}

/** Services that run. */
export interface ServicesHandle {
  /** Ends all connections. Resolves when nothing of it runs any more. */
  close(): Promise<void>;
}

/** The module of the thread. A compiled program must include it. */
const THREAD = new URL("./thread.ts", import.meta.url);
/** What a program that runs from source needs permission to read, so that the thread can start. */
export const THREAD_SOURCE = new URL("../../", THREAD);

/**
 * Serves HTTP and files in a thread of its own.
 *
 * @returns `null` if there is nothing to serve
 * @throws {UserError} when a port that was asked for is not available, or a directory
 */
export async function startServices(
  { httpPort, httpConnectionsMax }: Values<typeof httpFlags>,
  options: ServiceOptions,
): Promise<ServicesHandle | null> {
  const { name, address, seeds, bulkBytesMax, connectionsMax, copies, logger } = options;
  const { storage, secret } = options;
  if (httpPort === "off" && storage === null) return null;
  const port = httpPort === "auto" ? address.port + HTTP_PORT_OFFSET : httpPort;
  const http = port === "off" ? null : {
    address: { host: address.host, port },
    isOptional: httpPort === "auto",
    connectionsMax,
    bulkBytesMax,
  };
  const { thread } = await ServiceThread.start<ThreadOptions, null>({
    name: "the thread of HTTP and files",
    module: THREAD,
    options: {
      name,
      clientAddress: address,
      seeds,
      http,
      copies,
      storage,
      secret,
      suspicion: sharedSuspicion(),
    },
    clock: systemClock,
    logger,
  });
  if (http !== null && connectionsMax < httpConnectionsMax) {
    logger.warn(
      `accepts at most ${connectionsMax} connections for HTTP instead of ${httpConnectionsMax} ` +
        "(--http-connections-max), since the limit of open files (ulimit -n) allows no more",
    );
  }
  return thread;
}
