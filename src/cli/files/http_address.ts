import type { Address } from "../../platform/network.ts";
import { addressFlag, type Flag } from "../flags.ts";

/** A flag for the HTTP port of a node or proxy. The default is the proxy of `regent cluster`. */
export function httpAddressFlag(help: string): Flag<Address> {
  return {
    ...addressFlag({ help }),
    defaultValue: { host: "127.0.0.1", port: 8000 },
    defaultText: "127.0.0.1:8000",
    isRequired: false,
    environment: "REGENT_HTTP", // REGENT_FROM is a port for Redis clients
  };
}
