/**
 * The worker of a `Metronome`. It counts milliseconds and wakes the thread that waits for the next.
 */
import { IS_STOPPED, TICKS } from "./metronome.ts";

/** The part of a worker's global scope that is used here. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<Int32Array<SharedArrayBuffer>>) => void) | null;
  close(): void;
}

const scope = globalThis as unknown as WorkerScope;

scope.onmessage = ({ data: cells }) => {
  const never = new Int32Array(new SharedArrayBuffer(4));
  let dueMs = performance.now();
  while (Atomics.load(cells, IS_STOPPED) === 0) {
    dueMs += 1;
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) Atomics.wait(never, 0, 0, waitMs);
    Atomics.add(cells, TICKS, 1);
    Atomics.notify(cells, TICKS);
  }
  scope.close();
};
