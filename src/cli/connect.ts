import { channelsOver, type ConnectChannel, connectChannel } from "../platform/byte_channel.ts";
import { type Connect, connectPlain } from "../platform/sockets.ts";

let current: Connect = connectPlain;

/** Makes the connections of this process, or of this thread, as `setConnect` says. */
export const connect: Connect = (address, opened, node) => current(address, opened, node);

/** Sets how this process connects to nodes and proxies. Call it once, before anything connects. */
export function setConnect(made: Connect): void {
  current = made;
}

/** As `connect`, for HTTP. */
export const connectHttp: ConnectChannel = (address, node) =>
  current === connectPlain ? connectChannel(address) : channelsOver(current)(address, node);
