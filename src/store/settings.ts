/**
 * Settings of the cluster. They are part of the replicated state, so that only writes change them.
 */
export class Settings {
  /** The user's bound of the memory of the state in bytes; 0: only the built-in bound applies. */
  memoryBytesMax = 0;
}
