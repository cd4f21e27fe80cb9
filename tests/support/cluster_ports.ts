import { freePorts } from "./free_ports.ts";

const RAFT_PORT_OFFSET = 10_000;

/** The first of consecutive free ports for `regent cluster`, whose Raft ports are free as well. */
export function freeClusterPort(nodes: number): number {
  for (let tried = 0; tried < 100; tried++) {
    const ports = freePorts(nodes + 1);
    const [first = 0] = ports;
    const isInRow = ports.every((port, at) => port === first + at);
    if (isInRow && ports.every((port) => isFree(port + RAFT_PORT_OFFSET))) return first;
  }
  throw new Error("Cannot find ports for a cluster");
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}
