import net from "node:net";
import { FrameDecoder } from "../../../src/node/peers/frames.ts";
import { ASK, HOST } from "./protocol.ts";
import type { Ring } from "./ring.ts";

const FRAME_BYTES_MAX = 64 * 1024 * 1024;

/** Writes and syncs what the leader sends, and says so; says at once that it is asked. */
export function follow(port: number, ring: Ring): void {
  net.createServer({ noDelay: true }, (socket) => {
    const frames = new FrameDecoder({ frameBytesMax: FRAME_BYTES_MAX });
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      frames.push(chunk);
      for (let frame = frames.next(); frame !== null; frame = frames.next()) {
        if (frame.length === ASK.length) socket.write(ASK);
        else void ring.append(frame).then(() => socket.write(ASK));
      }
    });
  }).listen(port, HOST);
}
