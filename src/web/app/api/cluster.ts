/** What `GET /cluster` and the `cluster` events say. */
export interface ClusterState {
  readonly isServing: boolean;
  readonly members: readonly Member[];
}

export interface Member {
  readonly id: string;
  readonly address: string;
  readonly role: string;
  readonly isAlive: boolean;
  readonly isServing: boolean;
  readonly term: number;
  /** `null` if the member does not answer; so are the other numbers. */
  readonly commitIndex: number | null;
  readonly appliedIndex: number | null;
  readonly lag: number | null;
  readonly clockOffsetMs: number | null;
  readonly protocolVersion: number | null;
  readonly machineVersion: number | null;
  readonly machineVersionMax: number | null;
  readonly faults: readonly string[];
}

/** What `GET /repair` answers. */
export interface RepairAnswer {
  readonly status: Omit<RepairState, "nodes" | "progress">;
  readonly layout: {
    /** Changes with every change of files and copies. */
    readonly version: number;
    readonly nodes: readonly FilesNode[];
  };
  readonly progress: readonly NodeProgress[];
}

export interface RepairState {
  readonly files: number;
  readonly bytes: number;
  readonly blobs: number;
  readonly dead: number;
  /** Copies that are missing. */
  readonly missing: number;
  /** Their sizes together. */
  readonly missingBytes: number;
  /** Files with fewer copies than they should have. */
  readonly below: number;
  /** Files of which no node that is up has a copy. */
  readonly lost: number;
  /** Copies that are to go. */
  readonly surplus: number;
  readonly nodes: readonly FilesNode[];
  /** Of the nodes that have answered. */
  readonly progress: readonly NodeProgress[];
}

/** A node as a holder of files. */
export interface FilesNode {
  readonly id: string;
  readonly address: string;
  readonly weight: number;
  /** In bytes, as is `free`. */
  readonly capacity: number;
  readonly free: number;
  readonly state: "up" | "out" | "draining";
  /** Share of the ring that it takes, relative to the other nodes. */
  readonly ringWeight: number;
  readonly blobs: number;
  readonly bytes: number;
}

/** What a node does to repair, and to check its copies. */
export interface NodeProgress {
  readonly node: string;
  readonly pulls: {
    /** Copies that it has to fetch. */
    readonly left: number;
    readonly bytesLeft: number;
    readonly bytesPerSecond: number;
  };
  readonly scrub: {
    /** Copies that were checked in this round, and of how many. */
    readonly done: number;
    readonly total: number;
    /** Damaged copies that were found since the node was started. */
    readonly corrupt: number;
  };
}
