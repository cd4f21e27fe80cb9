import { RespClient } from "../../src/cli/resp_client.ts";
import type { Reply } from "../../src/resp/reply.ts";

/** The command line's client gives up after 2 s; a test waits longer, for a busy machine. */
const PATIENCE_MS = 60_000;

/** A client of a node or proxy on this machine that waits long for answers. */
export class PatientClient {
  readonly #client: RespClient;

  private constructor(client: RespClient) {
    this.#client = client;
  }

  /** @throws {ConnectionLost} when nobody listens there */
  static async connect({ port }: { readonly port: number }): Promise<PatientClient> {
    const address = { host: "127.0.0.1", port };
    return new PatientClient(await RespClient.connect(address, { timeoutMs: PATIENCE_MS }));
  }

  /** @throws {ConnectionLost} when the answer does not come */
  request(args: readonly string[]): Promise<Reply> {
    return this.#client.request(args, PATIENCE_MS);
  }

  close(): void {
    this.#client.close();
  }
}
