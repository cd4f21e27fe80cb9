import type { Logger } from "../base/logger.ts";
import { Faults } from "../faults/faults.ts";
import { FaultyDisk } from "../faults/faulty_disk.ts";
import { FaultyNetwork } from "../faults/faulty_network.ts";
import { FaultyHandler, FaultyPeers } from "../faults/faulty_peers.ts";
import type { PeerHandler, Peers } from "../node/peers/transport.ts";
import { systemClock } from "../platform/clock.ts";
import type { Disk } from "../platform/disk.ts";
import type { Network } from "../platform/network.ts";
import type { FaultTools } from "../server/fault_commands.ts";
import type { RequestHandler } from "../server/listener.ts";
import { PausableFrontend, type SilentListener } from "../server/pausable_frontend.ts";

/** The exit code that a shell reports for a process killed by SIGKILL. */
const KILLED_EXIT_CODE = 137;

/**
 * Puts the wrappers that `FAULT` needs between the parts of a node. A node without `--allow-faults`
 * has none of them.
 */
export class NodeFaults {
  readonly tools: FaultTools;
  readonly #faults: Faults;

  constructor(logger: Logger) {
    this.#faults = new Faults(systemClock, logger);
    this.tools = { faults: this.#faults, crash: () => crash(logger) };
    logger.warn("obeys FAULT (--allow-faults): any client can make this node fail");
  }

  disk(disk: Disk): Disk {
    return new FaultyDisk(disk, this.#faults, systemClock, block);
  }

  network(network: Network): Network {
    return new FaultyNetwork(network, this.#faults);
  }

  handler(node: PeerHandler): PeerHandler {
    return new FaultyHandler(node, this.#faults, systemClock, Math.random);
  }

  peers(transport: Peers): Peers {
    return new FaultyPeers(transport, this.#faults, systemClock, Math.random);
  }

  frontend(frontend: RequestHandler, listener: () => SilentListener): RequestHandler {
    return new PausableFrontend(frontend, this.#faults, listener);
  }

  stop(): void {
    this.#faults.stop();
  }
}

/** Blocks the whole process, like a system call of this duration. */
function block(durationMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs);
}

function crash(logger: Logger): void {
  logger.warn("fault: crash");
  Deno.exit(KILLED_EXIT_CODE);
}
