import type { Reply } from "../../src/resp/reply.ts";
import { PatientClient } from "./patient_client.ts";

/** All keys of a node or proxy with values and deadlines, sorted, for comparison. */
export async function wholeState({ port }: { readonly port: number }): Promise<string[]> {
  const client = await PatientClient.connect({ port });
  try {
    const keys = await client.request(["KEYS", "*"]) as string[];
    const tell = async (key: string) => {
      const ask = (command: string): Promise<Reply> => client.request([command, key]);
      const [value, deadline] = await Promise.all([ask("GET"), ask("PEXPIRETIME")]);
      return JSON.stringify([key, value, deadline]);
    };
    return (await Promise.all(keys.map(tell))).sort();
  } finally {
    client.close();
  }
}
