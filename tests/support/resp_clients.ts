import { PatientClient } from "./patient_client.ts";

/** Runs with a connection to each port, in their order, and closes all of them. */
export async function withRespClients<T>(
  members: readonly { readonly port: number }[],
  run: (clients: PatientClient[]) => Promise<T>,
): Promise<T> {
  const clients: PatientClient[] = [];
  try {
    for (const { port } of members) {
      clients.push(await PatientClient.connect({ port }));
    }
    return await run(clients);
  } finally {
    for (const client of clients) client.close();
  }
}
