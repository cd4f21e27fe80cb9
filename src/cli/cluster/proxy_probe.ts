import type { Address } from "../../node/network.ts";
import { ConnectionLost, fieldsOf, RespClient } from "../resp_client.ts";

const RETRY_MS = 50;

/** Resolves when the proxy answers and knows a leader, or when `isOver`. */
export async function proxyServing(address: Address, isOver: () => boolean): Promise<void> {
  while (!isOver() && !(await knowsLeader(address))) {
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

async function knowsLeader(address: Address): Promise<boolean> {
  try {
    const client = await RespClient.connect(address);
    try {
      return fieldsOf(await client.request(["CLUSTER", "ROLE"])).get("leader-id") !== "";
    } finally {
      client.close();
    }
  } catch (error) {
    if (error instanceof ConnectionLost) return false;
    throw error;
  }
}
