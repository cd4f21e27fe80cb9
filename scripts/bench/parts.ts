import { UserError } from "../../src/base/errors.ts";
import type { Flag } from "../../src/cli/flags.ts";
import { measureBigAndSmall } from "./big_and_small.ts";
import { measureClients } from "./clients.ts";
import { measureConnections } from "./connections.ts";
import { measureElections } from "./elections.ts";
import { measureFailovers } from "./failovers.ts";
import { measureFloor } from "./floor.ts";
import { measureLatency } from "./latency.ts";
import { measureMemory } from "./memory.ts";
import type { Resources } from "./resources.ts";
import type { Settings } from "./settings.ts";
import { measureThroughput } from "./throughput.ts";
import { measureValues } from "./values.ts";

/** A measurement that can be made alone, on processes of its own. */
export interface Part {
  readonly name: string;
  readonly about: string;
  /** The key of a flag. The part is skipped if its value is 0. @default none */
  readonly needs?: "failovers" | "electionSeconds";
  readonly measure: (resources: Resources, settings: Settings) => Promise<void>;
}

/** All parts, in the order in which they run. */
export const PARTS: readonly Part[] = [
  {
    name: "throughput",
    about: "SET and GET of 64 bytes, with -P 1 and 16, and replicated Redis",
    measure: measureThroughput,
  },
  {
    name: "clients",
    about: "Median latency of SET and GET with 1, 4, 16 and 50 clients",
    measure: measureClients,
  },
  {
    name: "floor",
    about: "The leader compared with a minimal program with the same I/O",
    measure: measureFloor,
  },
  {
    name: "values",
    about: "SET and GET of 1 KiB, 100 KiB and 1 MiB",
    measure: measureValues,
  },
  {
    name: "big-and-small",
    about: "Latency of small requests while another writes large values",
    measure: measureBigAndSmall,
  },
  {
    name: "connections",
    about: "Throughput with many clients, and memory of idle connections",
    measure: measureConnections,
  },
  {
    name: "latency",
    about: "Latency at a fixed rate of requests",
    measure: measureLatency,
  },
  {
    name: "memory",
    about: "Bytes for each key; with --minutes, growth under steady writes",
    measure: measureMemory,
  },
  {
    name: "failover",
    about: "Time for which writes wait after kill -9 of the leader",
    needs: "failovers",
    measure: measureFailovers,
  },
  {
    name: "elections",
    about: "Elections without a cause; runs only with --election-seconds",
    needs: "electionSeconds",
    measure: measureElections,
  },
];

/** Chooses parts by their names. */
export const onlyFlag: Flag<readonly Part[] | undefined> = {
  placeholder: "PART,…",
  help: "Measure only these parts; by default all",
  defaultValue: undefined,
  isRequired: false,
  parse(text) {
    const names = text.split(",").map((name) => name.trim());
    if (names.some((name) => PARTS.every((part) => part.name !== name))) {
      throw new UserError(`expected one or several of ${PARTS.map(({ name }) => name).join(", ")}`);
    }
    return PARTS.filter(({ name }) => names.includes(name));
  },
};
