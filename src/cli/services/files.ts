import { formatAddress } from "../../base/address.ts";
import { messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { CutOffView } from "../../faults/cut_off.ts";
import { HttpBlobPeers } from "../../files/blob_peers.ts";
import { BlobServer } from "../../files/blob_server.ts";
import { BlobStore } from "../../files/blob_store.ts";
import type { SendCommand } from "../../files/file_metadata.ts";
import { Files, type FilesStorage } from "../../files/files.ts";
import type { HealerLimits } from "../../files/healer_limits.ts";
import { PartialUploads } from "../../files/partial_uploads.ts";
import { LocalUploads, RoutedUploads, type UploadsService } from "../../files/resumable_uploads.ts";
import { ScrubFile } from "../../files/scrub_file.ts";
import { NodeUploads } from "../../files/upload_forwarding.ts";
import { type Cancel, systemClock } from "../../platform/clock.ts";
import type { Address } from "../../platform/network.ts";
import { connectHttp } from "../connect.ts";
import type { Links } from "../tls.ts";
import { connectionsOf, type ServiceDescriptors } from "./descriptors.ts";
import { OwnNodeWatch } from "./own_node.ts";

/** Interval in milliseconds at which uploads are looked after that nobody continues. */
const TEND_MS = 60_000;
/** Interval in milliseconds at which damaged contents are removed that are no longer kept. */
const TIDY_MS = 60 * 60 * 1000;

/** A node's part in files, as plain data. */
export interface FilesStorageOptions {
  readonly nodeId: string;
  readonly clusterId: string;
  /** Where contents are. */
  readonly directory: string;
  /** Where the other nodes reach this one, and on which port: 0 takes any free one. */
  readonly listen: Address;
  readonly advertisedHost: string;
  readonly weight: number;
  readonly reserveBytes: number;
  readonly limits: Partial<HealerLimits>;
}

export interface FilesServiceOptions {
  /** Where this process serves Redis clients. */
  readonly clientAddress: Address;
  /** Of files for which no number is given. */
  readonly copies: number;
  /** `null` for a proxy, which holds no contents. */
  readonly storage: FilesStorageOptions | null;
  readonly descriptors: ServiceDescriptors;
  readonly send: SendCommand;
  /** The id of the cluster; "" while it is not known. */
  readonly clusterId: () => string;
  readonly links: Links;
  /** The faults of the node, if it obeys any. */
  readonly cutOff: CutOffView | null;
  readonly logger: Logger;
}

export interface FilesHandle {
  readonly files: Files;
  /** Uploads that can be resumed, of all nodes. */
  readonly uploads: UploadsService;
  stop(): Promise<void>;
}

/**
 * Builds the files service of a process from the bottom up, and starts it.
 *
 * @throws {UserError} when the directory or the port cannot be used
 */
export async function startFiles(options: FilesServiceOptions): Promise<FilesHandle> {
  const { storage, descriptors, copies, send, clusterId, cutOff, logger } = options;
  let node: Files | null = null;
  const isCutOff = (address: string) =>
    cutOff !== null && !cutOff.isEmpty &&
    (cutOff.isPaused || cutOff.isIsolated(node?.nodeAt(address) ?? null));
  const peers = new HttpBlobPeers({
    clusterId,
    ...(storage === null ? {} : { node: storage.nodeId }),
    isCutOff,
    idleAllMax: descriptors.idleMax,
    connect: connectHttp,
    clock: systemClock,
  });
  cutOff?.watch(() => peers.disconnectCutOff());
  const shared = {
    send,
    peers,
    clock: systemClock,
    logger,
    copies,
    uploadLimits: { descriptorsMax: descriptors.uploads },
    progressAt: (address: string) => peers.progress(address),
    readsMax: Math.max(1, descriptors.connectionsMax),
  };
  if (storage === null) {
    const files = new Files({ ...shared, storage: null });
    return {
      files,
      uploads: new RoutedUploads(null, forwarderOf(files, peers)),
      async stop() {
        await files.stop();
        peers.close();
      },
    };
  }
  const { nodeId, directory, listen, advertisedHost, weight, reserveBytes, limits } = storage;
  const store = await BlobStore.open({ directory, reserveBytes, logger });
  const own = new OwnNodeWatch(options.clientAddress, systemClock);
  let local: LocalUploads | null = null;
  const server = await BlobServer.open({
    address: listen,
    clusterId: storage.clusterId,
    store,
    uploads: () => local,
    gate: options.links.gate({
      port: "the port for files",
      connectionsMax: connectionsOf(descriptors.transfersMax),
      refusePeer: (peer) => {
        const { members } = own;
        const isMember = members?.some((id) => peer.isNode(id)) ?? peer.mayBeNode;
        return isMember || peer.isProxy ? null : "is neither a member's nor a proxy's";
      },
    }),
    isCutOff: (id) =>
      cutOff !== null && (cutOff.isPaused || (id !== null && cutOff.isIsolated(id))),
    progress: () => node?.healing ?? {},
    connectionsMax: connectionsOf(descriptors.transfersMax),
    transfersMax: descriptors.transfersMax,
    clock: systemClock,
    logger,
  });
  const parts: FilesStorage = {
    node: {
      id: nodeId,
      address: formatAddress({ host: advertisedHost, port: server.port }),
      weight,
    },
    local: store,
    isLeader: () => own.isLeader,
    members: () => own.members,
    scrubPlace: new ScrubFile(`${directory}/scrub`),
    limits,
  };
  const files = node = new Files({ ...shared, storage: parts });
  const uploads = local = new LocalUploads({
    node: nodeId,
    partial: await PartialUploads.open({
      directory: `${directory}/uploads`,
      disk: store,
      clock: systemClock,
      logger,
    }),
    files,
    logger,
  });
  own.start();
  files.start();
  const cancelTending = tendEach(TEND_MS, () => uploads.tend(), logger);
  const cancelTidying = tendEach(TIDY_MS, () => store.tidy(), logger);
  logger.info(
    `exchanges contents of files on ${formatAddress({ host: listen.host, port: server.port })}`,
  );
  return {
    files,
    uploads: new RoutedUploads({ node: nodeId, uploads }, forwarderOf(files, peers)),
    async stop() {
      cancelTending();
      cancelTidying();
      own.stop();
      await files.stop();
      await server.close();
      peers.close();
      store.close();
    },
  };
}

/** Passes requests about the uploads of other nodes on to them. */
function forwarderOf(files: Files, peers: HttpBlobPeers): NodeUploads {
  return new NodeUploads(
    async (node, request, body) =>
      await peers.sendUpload(await files.addressOf(node), request, body),
    () => files.anyNode(),
  );
}

/**
 * Does something again and again, each time that long after the last one has ended. A failure, as of
 * the disk, is logged: it is no reason to end the thread.
 */
function tendEach(intervalMs: number, tend: () => Promise<void>, logger: Logger): Cancel {
  let cancel: Cancel = () => {};
  let isCancelled = false;
  const run = async () => {
    await tend().catch((error) => logger.warn(`cleaning up files failed: ${messageOf(error)}`));
    if (!isCancelled) cancel = systemClock.after(intervalMs, () => void run());
  };
  void run();
  return () => {
    isCancelled = true;
    cancel();
  };
}
