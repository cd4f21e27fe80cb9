/** Settings of the cluster: part of the replicated state, changed by writes only. */
export class Settings {
  /** The user's bound of what the state may take, in bytes; 0: only the built-in bound applies. */
  memoryBytesMax = 0;
}
