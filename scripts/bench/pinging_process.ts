/**
 * Sends PING to the ports of its arguments again and again, and prints a line for each reply that
 * took long, as `watchPauses` does for pauses.
 */
import net from "node:net";
import { PAUSE_MS_MIN } from "./pauses.ts";
import { endWithStdin } from "./processes.ts";

const INTERVAL_MS = 5;
const RECONNECT_MS = 50;

function ping(port: number): void {
  const socket = net.connect({ host: "127.0.0.1", port, noDelay: true });
  let sentMs = 0;
  const send = () => {
    sentMs = performance.now();
    socket.write("PING\r\n");
  };
  socket.on("connect", send);
  socket.on("data", () => {
    const waitMs = performance.now() - sentMs;
    if (waitMs >= PAUSE_MS_MIN) console.log(`pause ${waitMs.toFixed(1)}`);
    setTimeout(send, INTERVAL_MS);
  });
  socket.on("error", () => {}); // "close" follows: some requests disconnect all clients
  socket.on("close", () => setTimeout(() => ping(port), RECONNECT_MS));
}

for (const port of Deno.args) ping(Number(port));
await endWithStdin();
