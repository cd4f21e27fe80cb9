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
  readonly status: Omit<RepairState, "nodes">;
  readonly layout: {
    /** Changes with every change of files and copies. */
    readonly version: number;
    readonly nodes: readonly FilesNode[];
  };
}

export interface RepairState {
  readonly files: number;
  readonly bytes: number;
  readonly blobs: number;
  readonly dead: number;
  /** Copies that are missing. */
  readonly missing: number;
  /** Files with fewer copies than they should have. */
  readonly below: number;
  /** Files of which no node that is up has a copy. */
  readonly lost: number;
  /** Copies that are to go. */
  readonly surplus: number;
  readonly nodes: readonly FilesNode[];
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
