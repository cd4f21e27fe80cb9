export const HOST = "127.0.0.1";
/** A frame of one byte asks; one byte for each frame answers. */
export const ASK = new Uint8Array([0]);
