const HOST = "127.0.0.1";
/**
 * These ports, and those 10,000 above them, which nodes and Redis clusters also take, are below the
 * ephemeral ports of the system, which start at 32768.
 */
const FIRST_PORT = 10_000;
const BLOCKS = 50;
const BLOCK_PORTS = 200;

/**
 * Ports reserved by this process until it ends. The port of a node that a test has killed is free
 * for a while: if another process took it for a node of its own, two clusters would meet.
 */
const block = reserveBlock();
let next = 0;

/** Free ports. A port is returned again only after all others. */
export function freePorts(count: number): number[] {
  const ports: number[] = [];
  for (let tried = 0; ports.length < count; tried++) {
    if (tried === block.ports) throw new Error(`Cannot find ${count} free ports`);
    const port = block.first + next++ % block.ports;
    const listener = listenOn(port);
    if (listener === null) continue;
    listener.close();
    ports.push(port);
  }
  return ports;
}

/** The process that listens on the first port of a block owns the whole block. */
function reserveBlock(): { readonly first: number; readonly ports: number } {
  const start = Math.floor(Math.random() * BLOCKS);
  for (let tried = 0; tried < BLOCKS; tried++) {
    const port = FIRST_PORT + ((start + tried) % BLOCKS) * BLOCK_PORTS;
    const reservation = listenOn(port);
    if (reservation === null) continue;
    reservation.unref();
    return { first: port + 1, ports: BLOCK_PORTS - 1 };
  }
  throw new Error(`Cannot reserve ports: all ${BLOCKS} blocks are taken`);
}

function listenOn(port: number): Deno.Listener | null {
  try {
    return Deno.listen({ hostname: HOST, port });
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return null;
    throw error;
  }
}
