import { RespClient } from "../../src/cli/resp_client.ts";

/** Runs with a connection to each port, in their order, and closes them all. */
export async function withRespClients<T>(
  members: readonly { readonly port: number }[],
  run: (clients: RespClient[]) => Promise<T>,
): Promise<T> {
  const clients: RespClient[] = [];
  try {
    for (const { port } of members) {
      clients.push(await RespClient.connect({ host: "127.0.0.1", port }));
    }
    return await run(clients);
  } finally {
    for (const client of clients) client.close();
  }
}
