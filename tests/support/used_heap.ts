import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Bytes of the JavaScript heap that are still in use after a collection. */
export function usedHeapBytes(): number {
  collectGarbage();
  return Deno.memoryUsage().heapUsed;
}
