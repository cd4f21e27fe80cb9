import { formatAddress } from "../../base/address.ts";
import { type Connect, connectPlain } from "../sockets.ts";
import { isWithoutTls } from "./reasons.ts";

/**
 * Connects while a cluster moves to TLS or away from it. An attempt with TLS at an address that
 * speaks none fails, and the next one there is made without; after that connection, TLS is tried
 * again. An attempt that fails for another reason, such as a wrong certificate, changes nothing.
 */
export function eitherConnect(secure: Connect): Connect {
  /** Where the next attempt is made without TLS. */
  const plain = new Set<string>();
  return (address, opened, node) => {
    const key = formatAddress(address);
    if (plain.delete(key)) return connectPlain(address, opened, node);
    const socket = secure(address, opened, node);
    socket.on("error", (error) => {
      if (isWithoutTls(error.message)) plain.add(key);
    });
    return socket;
  };
}
