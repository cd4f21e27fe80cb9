import { messageOf, UserError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { CutOff } from "../../faults/cut_off.ts";
import { sharedSuspicion } from "../../platform/acceptor.ts";
import { systemClock } from "../../platform/clock.ts";
import type { Address } from "../../platform/network.ts";
import { ServiceThread } from "../../platform/service_thread.ts";
import { type Flag, type Flags, integer, port as portFlag, type Values } from "../flags.ts";
import type { TlsSettings } from "../tls.ts";
import type { ServiceDescriptors } from "./descriptors.ts";
import type { FilesStorageOptions } from "./files.ts";
import type { ThreadOptions } from "./thread.ts";

/** With `auto`, the HTTP port is the client port plus this. */
export const HTTP_PORT_OFFSET = 1_000;

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
    help:
      "Maximum number of connections for HTTP; at most a tenth of the number of open files that " +
      "the process may have (ulimit -n)",
    defaultValue: 256,
    min: 1,
    max: 100_000,
  }),
} satisfies Flags;

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
  readonly descriptors: ServiceDescriptors;
  /** Number of copies of files for which none is given. */
  readonly copies: number;
  /** `null` for a proxy, which holds no contents. */
  readonly storage: FilesStorageOptions | null;
  /** `null` without TLS. */
  readonly tls: TlsSettings | null;
  /** The faults of the node, if it obeys any. @default none */
  readonly faults?: FaultsSource | null;
  /** The secret of the cluster; `null` if this process has none. */
  readonly secret: string | null;
  readonly logger: Logger;
}

/** Faults as far as they concern connections to other nodes. */
export interface FaultsSource {
  readonly cutOff: CutOff;
  /** Calls `changed` after each change. */
  watch(changed: () => void): void;
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
  const { name, address, seeds, bulkBytesMax, descriptors, copies, logger } = options;
  const { storage, secret, faults = null } = options;
  const { connectionsMax } = descriptors;
  if (httpPort === "off" && storage === null) return null;
  const port = httpPort === "auto" ? address.port + HTTP_PORT_OFFSET : httpPort;
  const http = port === "off" ? null : {
    address: { host: address.host, port },
    isOptional: httpPort === "auto",
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
      descriptors,
      secret,
      suspicion: sharedSuspicion(),
      tls: options.tls,
      obeysFaults: faults !== null,
    },
    clock: systemClock,
    logger,
  });
  if (faults !== null) {
    faults.watch(() => thread.tell(faults.cutOff));
    thread.tell(faults.cutOff); // one may have begun while the thread started
  }
  if (http !== null && connectionsMax < httpConnectionsMax) {
    logger.warn(
      `accepts at most ${connectionsMax} connections for HTTP instead of ${httpConnectionsMax} ` +
        "(--http-connections-max), since the limit of open files (ulimit -n) allows no more",
    );
  }
  return thread;
}
